//! A spool that comes by file is taken like one that comes through the broker.

mod ingest_world;

use ingest_world::{NOW, SITE, World, batch, boot, tcp, told};
use phusong_collector::import;
use phusong_collector::store::{Store, StoreOptions};
use phusong_protocol::{AckMessage, AckResult, Epoch};

const PROBE: &str = "na-chen-1";
const A: Epoch = Epoch(0xa);

fn export(site: &str, name: &str, batches: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"PSX1".to_vec();
    for text in [site, name] {
        file.push(text.len() as u8);
        file.extend(text.as_bytes());
    }
    for payload in batches {
        file.extend((payload.len() as u32).to_be_bytes());
        file.extend(payload);
    }
    file
}

fn batches() -> Vec<Vec<u8>> {
    let whole: Vec<_> = (1..=40u64).map(|n| batch(PROBE, A, &[tcp(n * 2, 1, n), tcp(n * 2 + 1, 1, n)])).collect();
    [vec![batch(PROBE, A, &[boot(0, 1, 0, None), tcp(1, 1, 1)])], whole].concat()
}

fn run(world: &World, file: &[u8]) -> (Result<import::Imported, import::ImportError>, Vec<AckMessage>) {
    let store = Store::open_beside(world.dir.path(), StoreOptions::default()).expect("the database is there");
    let mut acks = Vec::new();
    let result = import::run(store, file, &mut acks, NOW, |_| {});
    let lines = acks.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    (result, lines.map(|line| AckMessage::from_json(line).expect("own output")).collect())
}

#[test]
fn an_export_is_taken_once_however_often_it_is_imported_beside_a_running_collector() {
    let mut world = World::new(&[PROBE]);
    // The collector has part of it already and goes on after the import.
    world.send(PROBE, batches()[0].clone());
    let file = export(SITE, PROBE, &batches());
    let (result, acks) = run(&world, &file);
    let imported = result.expect("a good file");
    assert_eq!((imported.batches, imported.stored, imported.duplicate), (41, 80, 2));
    let all: Vec<_> = acks.into_iter().flat_map(|message| message.acks).collect();
    assert_eq!(told(&all, AckResult::Stored), (2..82).collect::<Vec<_>>());
    assert_eq!(told(&all, AckResult::Duplicate), [0, 1]);

    let (again, _) = run(&world, &file);
    assert_eq!(again.expect("a good file").duplicate, 82);
    let acks = world.send(PROBE, batch(PROBE, A, &[tcp(81, 1, 40), tcp(82, 1, 99)]));
    assert_eq!((told(&acks, AckResult::Duplicate), told(&acks, AckResult::Stored)), (vec![81], vec![82]));
    assert_eq!((world.rows().len(), world.probe_row(PROBE).missing), (83, 0));
}

#[test]
fn a_file_of_an_unknown_probe_stores_nothing_and_says_so() {
    let world = World::new(&[]);
    let (result, acks) = run(&world, &export(SITE, PROBE, &batches()));
    assert_eq!(result.expect("a good file").unauthorised, 82);
    assert!(acks.iter().flat_map(|message| &message.acks).all(|ack| ack.result == AckResult::Refused));
}

#[test]
fn a_damaged_file_says_where_and_keeps_what_came_before() {
    let world = World::new(&[PROBE]);
    let whole = export(SITE, PROBE, &batches());
    let cases = [
        (b"hello".to_vec(), "byte 0: this is no export"),
        (b"PSX1\x05ab".to_vec(), "the file ends inside its header"),
        (export("No Site", PROBE, &[]), "byte 4: site and probe are 1 to 32"),
        (whole[..whole.len() - 3].to_vec(), "the file ends inside a batch"),
        ([export(SITE, PROBE, &[]), vec![0xff; 8]].concat(), "the file is damaged"),
    ];
    for (file, wanted) in cases {
        let error = run(&world, &file).0.expect_err("it is damaged").to_string();
        assert!(error.contains(wanted), "{error:?} does not say {wanted:?}");
    }
    assert_eq!(world.rows().len(), 64, "two whole groups of 16 batches came before the cut");
}
