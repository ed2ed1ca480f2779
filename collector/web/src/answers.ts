// The shapes of the API's answers that the page reads (docs/api.md). Words may grow: what is not known here is shown raw.

export type Level = 0 | 1 | 2 | 3;

/** A network in one hamlet, as far as the map tells. */
export interface Mark {
    network: string;
    level: Level;
    reason: string | null;
    places_disagree: boolean;
    open_gap_since_ms: number | null;
    open_blind_since_ms: number | null;
}

export interface HamletProperties {
    code: string;
    name: string;
    label: string;
    radius_m: number | null;
    places: number;
    networks: Mark[];
    links: Mark[];
    /** Since when nothing comes from a place as a whole. */
    place_blind_since_ms: number | null;
}

export type Position = [number, number, ...number[]];
export type Geometry =
    | { type: "Polygon"; coordinates: Position[][] }
    | { type: "MultiPolygon"; coordinates: Position[][][] }
    | { type: "Point"; coordinates: Position };

export interface HamletFeature {
    type: "Feature";
    id: string;
    geometry: Geometry | null;
    properties: HamletProperties;
}

export interface HamletMap {
    type: "FeatureCollection";
    features: HamletFeature[];
}

export interface Open {
    key: string;
    place: number;
    probe: string | null;
    from_ms: number;
    cause: string;
    confidence: string;
}

/** Medians of a day. */
export interface Throughput {
    down_bps: number | null;
    up_bps: number | null;
    at_ms: number;
    n: number;
}

export interface NetworkState {
    network: string;
    level: Level;
    reason: string | null;
    places_disagree: boolean;
    n: number;
    last_known_at_ms: number | null;
    open_gaps: Open[];
    open_blinds: Open[];
    throughput: Throughput | null;
}

export interface Hamlet {
    code: string;
    name: string;
    label: string;
    population: number | null;
    networks: NetworkState[];
    links: NetworkState[];
    open_blinds: Open[];
    places: number;
}

export interface Place {
    id: number;
    probe: string;
    label: string | null;
    lat: number;
    lon: number;
    from_ms: number;
    supply: string | null;
}

export interface Series {
    place: number;
    network: string;
    from_ms: number;
    step_s: number;
    levels: (Level | null)[];
    reasons: (string | null)[];
}

export interface Interruption {
    key: string;
    kind: "gap" | "blind" | "remote";
    case: number;
    network: string | null;
    target: { name: string; host: string } | null;
    from_ms: number;
    to_ms: number | null;
    end_unobserved: boolean;
    observed_dead_s: number;
    upper_s: number;
    cause: string;
    confidence: string;
    proof: string;
    place: { id: number };
    probe: string | null;
}

export interface HamletDetail {
    hamlet: Hamlet;
    places: Place[];
    windows: Series[];
    interruptions: Interruption[];
}

export interface ProbeDetail {
    probe: {
        id: string;
        label: string | null;
        last_contact_ms: number | null;
        missing: number;
        clone_suspected_ms: number | null;
        supply: string | null;
    };
    clock: { synced: boolean; at_state: string } | null;
    delivery_delay_max_ms: number | null;
}

export interface Observation {
    probe: string;
    at_ms: number;
    target: { name?: string; host?: string; tags?: string[] } | null;
    failure: { of?: string; kind?: string } | null;
}

export interface Page<T> {
    items: T[];
    next_cursor: string | null;
}
