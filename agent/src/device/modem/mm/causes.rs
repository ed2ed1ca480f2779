//! Causes of the network in the names that ModemManager gives to errors.
//!
//! In: names of D-Bus errors and numbers of `MMMobileEquipmentError`. Out: ESM and EMM causes. Refuses to know: what a
//! cause means. Limits: names without a cause of their own have none.

const PREFIX: &str = "org.freedesktop.ModemManager1.Error.MobileEquipment.";

/// ESM causes (TS 24.301 9.9.4.4); ModemManager's older names stand beside its newer ones.
const ESM: [(&str, u16); 25] = [
    ("OperatorDeterminedBarring", 8),
    ("InsufficientResources", 26),
    ("MissingOrUnknownApn", 27),
    ("UnknownPdpAddressOrType", 28),
    ("UserAuthenticationFailed", 29),
    ("PdpAuthFailure", 29),
    ("GprsPdpAuthFailure", 29),
    ("ActivationRejectedByGgsnOrGw", 30),
    ("ActivationRejectedUnspecified", 31),
    ("ServiceOptionNotSupported", 32),
    ("GprsServiceOptionNotSupported", 32),
    ("ServiceOptionNotSubscribed", 33),
    ("GprsServiceOptionNotSubscribed", 33),
    ("ServiceOptionOutOfOrder", 34),
    ("GprsServiceOptionOutOfOrder", 34),
    ("RegularDeactivation", 36),
    ("NetworkFailureActivation", 38),
    ("ReactivationRequested", 39),
    ("Ipv4OnlyAllowed", 50),
    ("Ipv6OnlyAllowed", 51),
    ("SingleAddressBearersOnlyAllowed", 52),
    ("MaximumNumberOfBearersReached", 65),
    ("RequestedApnNotSupported", 66),
    ("UnsupportedQciOr5qiValue", 59),
    ("ApnRestrictionIncompatible", 112),
];

/// The ESM cause of a bearer's `ConnectionError`.
pub fn esm(error: &str) -> Option<u16> {
    let name = error.strip_prefix(PREFIX)?;
    ESM.iter().find(|(known, _)| *known == name).map(|(_, cause)| *cause)
}
