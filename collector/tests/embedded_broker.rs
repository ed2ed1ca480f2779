//! What a broker must do for us, asked of the embedded one and of Mosquitto with the deployed access list alike.

mod broker;
#[path = "embedded_broker_client/mod.rs"]
mod client;
#[path = "embedded_broker_place/mod.rs"]
mod place;

use broker::PATIENCE;
use client::{Login, VERSIONS, Version};
use place::{Place, everywhere, topic};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const NOT_AUTHORISED: u8 = 135;
/// Long against a loopback delivery, short enough to wait for in vain.
const SILENCE: Duration = Duration::from_millis(500);

#[test]
fn nobody_without_a_name_or_with_a_wrong_password_gets_in() {
    everywhere("login", |place| {
        let right = place.probe("p1", "c1");
        for version in VERSIONS {
            for (what, login) in [
                ("anonymous", Login { user: None, ..right.clone() }),
                ("wrong password", Login::new(place.port, "c2", "p1", "wrong")),
                ("unknown user", Login::new(place.port, "c3", "p9", "wrong")),
                ("the collector's name", Login::new(place.port, "c4", "collector", "wrong")),
            ] {
                assert!(login.with(version).try_connect().is_err(), "{what} got in with {version:?}");
            }
        }
        right.connect();
    });
}

#[test]
fn a_probe_writes_what_is_its_own_and_is_told_when_it_may_not() {
    everywhere("write", |place| {
        let mut collector = place.collector("reader").connect();
        assert_eq!(collector.subscribe("phusong/v1/#"), 1);
        assert_eq!(collector.subscribe("ns/#"), 1);
        for version in VERSIONS {
            let mut probe = place.probe("p1", "c1").with(version).connect();
            for own in [topic("p1", "batch"), topic("p1", "status"), "ns/p1/lte".into()] {
                assert_eq!(probe.publish(&own, "mine"), 0, "{own}");
                assert_eq!(collector.expect(&own).topic, own);
            }
            for foreign in [
                topic("p2", "batch"),
                topic("p2", "status"),
                topic("p1", "ack"),
                topic("p1", "config"),
                topic("p1", "command"),
                "ns/p2/lte".into(),
                "phusong/v2/lab/p1/batch".into(),
            ] {
                let code = probe.publish(&foreign, "not mine");
                assert_eq!(code, if version == Version::V5 { NOT_AUTHORISED } else { 0 }, "{foreign}");
            }
            // One good message behind them: had any of them passed, it would stand before this one.
            probe.publish(&topic("p1", "batch"), "last");
            assert_eq!(collector.expect("the good message").payload, b"last");
        }
    });
}

#[test]
fn a_probe_reads_what_is_meant_for_it_and_nothing_that_is_meant_for_others() {
    everywhere("read", |place| {
        let mut collector = place.collector("writer").connect();
        collector.subscribe("phusong/v1/+/+/batch");
        for version in VERSIONS {
            // A client of its own each time: while the one before is seen off, its name may be refused for a moment.
            let mut own = place.probe("p1", &format!("c1-{version:?}")).with(version).connect();
            let mut spy = place.probe("p2", &format!("c2-{version:?}")).with(version).connect();
            for filter in [topic("p1", "ack"), "phusong/v1/+/p1/batch".into(), "#".into()] {
                spy.subscribe(&filter);
            }
            assert_eq!(own.subscribe("phusong/v1/lab/p1/#"), 1);
            for channel in ["ack", "config", "command"] {
                collector.publish(&topic("p1", channel), "for p1");
                assert_eq!(own.expect(channel).topic, topic("p1", channel));
            }
            own.publish(&topic("p1", "batch"), "from p1");
            assert_eq!(own.next(SILENCE), None, "it does not hear its own batches");
            assert_eq!(spy.next(SILENCE), None, "{version:?}");
            collector.publish(&topic("p2", "ack"), "for p2");
            assert_eq!(spy.expect("its own").payload, b"for p2");
        }
    });
}

#[test]
fn a_last_will_is_said_and_retained_and_one_about_another_probe_reaches_nobody() {
    everywhere("will", |place| {
        let mut collector = place.collector("reader").connect();
        collector.subscribe("phusong/v1/#");
        for version in VERSIONS {
            let (own, foreign) = (topic("p1", "status"), topic("p1", "status"));
            place.probe("p2", "c2").with(version).will(&foreign, "p1 is gone, says p2", true).connect().vanish();
            place.probe("p1", "c1").with(version).will(&own, "offline", true).connect().vanish();
            let heard = collector.expect("the will");
            assert_eq!((heard.topic, heard.payload), (own.clone(), b"offline".to_vec()));
            let mut late = place.collector("late").connect();
            late.subscribe("phusong/v1/+/+/status");
            let kept = late.expect("the retained will");
            assert_eq!((kept.topic, kept.payload, kept.retain), (own, b"offline".to_vec(), true));
            // Said in order, a goodbye leaves no will.
            place.probe("p1", "c1").with(version).will(&topic("p1", "status"), "not this", true).connect().leave();
            assert_eq!(collector.next(SILENCE), None);
        }
    });
}

#[test]
fn members_of_a_share_take_turns_and_the_living_take_over_from_the_dead() {
    everywhere("share", |place| {
        let share = "$share/collector/phusong/v1/+/+/batch";
        for version in VERSIONS {
            let mut members: Vec<_> =
                ["m1", "m2"].map(|name| place.collector(name).with(version).connect()).into_iter().collect();
            members.iter_mut().for_each(|member| assert_eq!(member.subscribe(share), 1));
            let mut probe = place.probe("p1", "c1").connect();
            let say = |probe: &mut client::Client, from: u32| {
                (from..from + 20).for_each(|n| assert_eq!(probe.publish(&topic("p1", "batch"), n.to_string()), 0));
            };
            say(&mut probe, 0);
            let mut heard: Vec<Vec<u32>> = members.iter_mut().map(|member| numbers(member, SILENCE)).collect();
            assert!(heard.iter().all(|of_one| of_one.len() >= 5), "{heard:?}");
            let mut all = heard.concat();
            all.sort_unstable();
            assert_eq!(all, (0..20).collect::<Vec<u32>>(), "each once");
            members.remove(0).vanish();
            // A message for a member whose end the broker has not seen yet is sent again by its probe, some time.
            let mut alive = members.remove(0);
            heard.clear();
            let mut from = 100;
            while numbers(&mut alive, SILENCE) != (from..from + 20).collect::<Vec<u32>>() {
                from += 100;
                assert!(from < 1_000, "the living member hears all of it some time");
                say(&mut probe, from);
            }
            alive.leave();
        }
    });
}

fn numbers(client: &mut client::Client, patience: Duration) -> Vec<u32> {
    let number = |payload: Vec<u8>| String::from_utf8(payload).expect("text").parse().expect("a number");
    std::iter::from_fn(|| client.next(patience)).map(|message| number(message.payload)).collect()
}

#[test]
fn a_retained_status_and_configuration_wait_for_whoever_subscribes_until_they_are_cleared() {
    everywhere("retain", |place| {
        let mut collector = place.collector("writer").connect();
        collector.subscribe("phusong/v1/+/+/batch");
        for version in VERSIONS {
            let config = topic("p1", "config");
            collector.retain(&config, "revision 1");
            collector.retain(&config, "revision 2");
            let mut probe = place.probe("p1", "c1").with(version).connect();
            probe.retain(&topic("p1", "status"), "online");
            assert_eq!(probe.subscribe(&config), 1);
            let kept = probe.expect("its configuration");
            assert_eq!((kept.payload, kept.retain), (b"revision 2".to_vec(), true));
            collector.retain(&config, "revision 3");
            let live = probe.expect("the next one");
            assert_eq!((live.payload, live.retain), (b"revision 3".to_vec(), false));
            let mut late = place.collector("late").with(version).connect();
            late.subscribe("phusong/v1/+/+/status");
            assert_eq!(late.expect("its status").payload, b"online");
            collector.retain(&config, "");
            probe.retain(&topic("p1", "status"), "");
            let mut later = place.probe("p1", "c2").with(version).connect();
            later.subscribe(&config);
            assert_eq!(later.next(SILENCE), None, "cleared");
        }
    });
}

#[test]
fn what_a_sleeping_session_was_sent_is_there_when_it_wakes_each_once() {
    everywhere("sleep", |place| {
        let mut collector = place.collector("writer").connect();
        collector.subscribe("phusong/v1/+/+/batch");
        for version in VERSIONS {
            let client = format!("c-{version:?}");
            let login = place.probe("p1", &client).with(version).lasting();
            let mut probe = login.connect();
            assert!(!probe.resumed);
            assert_eq!(probe.subscribe(&topic("p1", "ack")), 1);
            probe.leave();
            for n in 0..50 {
                collector.publish(&topic("p1", "ack"), n.to_string());
            }
            let mut probe = login.connect();
            assert!(probe.resumed, "{version:?}");
            // What was still said to the ending connection may come in another order.
            let mut heard = numbers(&mut probe, SILENCE);
            heard.sort_unstable();
            assert_eq!(heard, (0..50).collect::<Vec<u32>>(), "{version:?}");
            probe.leave();
            // A clean start forgets it.
            let fresh = Login { clean: true, ..login };
            assert!(!fresh.connect().resumed);
        }
    });
}

#[test]
fn a_second_connection_of_the_same_client_takes_over_from_the_first() {
    everywhere("takeover", |place| {
        let mut collector = place.collector("writer").connect();
        collector.subscribe("phusong/v1/+/+/batch");
        for version in VERSIONS {
            let login = place.probe("p1", "c1").with(version);
            let mut first = login.connect();
            let mut second = login.connect();
            first.ended();
            second.subscribe(&topic("p1", "ack"));
            collector.publish(&topic("p1", "ack"), "for the second");
            assert_eq!(second.expect("it lives").payload, b"for the second");
            assert_eq!(second.publish(&topic("p1", "batch"), "still here"), 0);
            second.leave();
        }
    });
}

#[test]
fn a_client_that_falls_silent_is_taken_for_dead_after_its_keepalive() {
    everywhere("keepalive", |place| {
        let mut collector = place.collector("reader").connect();
        collector.subscribe("phusong/v1/+/+/status");
        let password = place.password("p1");
        let fields = ["silent", &topic("p1", "status"), "fell silent", "p1", &password];
        let fields: Vec<u8> = fields.iter().flat_map(|field| string(field)).collect();
        // MQTT 3.1.1; user name, password, will with QoS 1, clean session; keepalive of one second.
        let mut rest = [&string("MQTT")[..], &[4, 0b1100_1110, 0, 1]].concat();
        rest.extend(fields);
        let length = u8::try_from(rest.len()).expect("a short packet");
        let mut stream = TcpStream::connect(("127.0.0.1", place.port)).expect("listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.write_all(&[&[0x10, length], &rest[..]].concat()).expect("sent");
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).expect("a CONNACK");
        assert_eq!(answer, [0x20, 2, 0, 0]);
        assert_eq!(collector.expect("its will").payload, b"fell silent");
        assert_eq!(stream.read(&mut answer).expect("an end in order"), 0);
    });
}

fn string(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).expect("short").to_be_bytes()[..], text.as_bytes()].concat()
}

#[test]
fn a_message_of_twice_a_batch_arrives_and_a_larger_packet_ends_the_connection() {
    everywhere("size", |place: &Place| {
        let mut collector = place.collector("reader").connect();
        collector.subscribe("phusong/v1/+/+/batch");
        for version in VERSIONS {
            let mut probe = place.probe("p1", "c1").with(version).connect();
            assert_eq!(probe.publish(&topic("p1", "batch"), vec![7; 2 * 65_536]), 0);
            assert_eq!(collector.expect("the large message").payload.len(), 2 * 65_536);
            probe.say(&topic("p1", "batch"), vec![7; 200_000], false);
            probe.ended();
        }
    });
}
