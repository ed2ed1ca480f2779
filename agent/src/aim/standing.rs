//! How the modem stands with the network, in one word: whether the level on the screen is of any use.
//!
//! In: the latest words of one modem. Out: a [`Standing`]. Refuses to know: levels, causes of gaps. Limits: what nobody
//! said is [`Standing::Unknown`]; limited service is never taken for service.

use crate::device::modem::ModemState;
use phusong_protocol::{RegistrationStat, ServiceState, SimState};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Unknown,
    Gone {
        why: Option<String>,
    },
    Sim(SimState),
    Home,
    Roaming {
        plmn: Option<String>,
    },
    /// Emergency calls alone: what is received is somebody else's network, or one that does not want this SIM.
    Limited {
        plmn: Option<String>,
    },
    Searching,
    NoService,
    Denied {
        cause: Option<u16>,
    },
    SmsOnly,
}

impl Standing {
    pub fn of(state: &ModemState) -> Standing {
        let is_heard = state.signal.is_some() || state.registration.is_some() || state.trouble.is_some();
        if !state.present && is_heard {
            return Standing::Gone { why: state.trouble.clone() };
        }
        let sim = state.sim.as_ref().map(|sim| sim.value.state);
        if let Some(bad @ (SimState::Absent | SimState::Pin | SimState::Puk | SimState::Failure)) = sim {
            return Standing::Sim(bad);
        }
        let Some(registration) = &state.registration else { return Standing::Unknown };
        let plmn = registration.value.plmn.clone();
        match (registration.value.service, registration.value.stat) {
            (_, RegistrationStat::NoSim) => Standing::Sim(SimState::Absent),
            (_, RegistrationStat::Denied) => Standing::Denied { cause: registration.value.reject_cause },
            (Some(ServiceState::Limited), _) | (_, RegistrationStat::EmergencyOnly | RegistrationStat::Rlos) => {
                Standing::Limited { plmn }
            }
            (_, RegistrationStat::Searching) => Standing::Searching,
            (Some(ServiceState::None), _) | (_, RegistrationStat::Idle) => Standing::NoService,
            (_, RegistrationStat::HomeSmsOnly | RegistrationStat::RoamingSmsOnly) => Standing::SmsOnly,
            (Some(ServiceState::Roaming), _) | (_, RegistrationStat::Roaming) => Standing::Roaming { plmn },
            (Some(ServiceState::Home), _) | (_, RegistrationStat::Home) => Standing::Home,
            (None, RegistrationStat::Unknown) => Standing::Unknown,
        }
    }

    /// Nobody can use the network as it stands.
    pub fn is_trouble(&self) -> bool {
        !matches!(self, Standing::Unknown | Standing::Home | Standing::Roaming { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::modem::picture::Known;
    use crate::device::modem::{Registered, Sim};

    fn state(stat: RegistrationStat, service: Option<ServiceState>) -> ModemState {
        let value = Registered {
            stat,
            service,
            plmn: Some("452-01".into()),
            technology: None,
            cell: None,
            reject_cause: Some(11),
            raw: None,
        };
        ModemState { present: true, registration: Some(Known { at_mono_ms: 1, value }), ..ModemState::default() }
    }

    #[test]
    fn limited_service_is_never_taken_for_service() {
        let plmn = || Some("452-01".to_owned());
        for (stat, service, wanted) in [
            (RegistrationStat::Home, None, Standing::Home),
            (RegistrationStat::Home, Some(ServiceState::Limited), Standing::Limited { plmn: plmn() }),
            (RegistrationStat::Idle, Some(ServiceState::Limited), Standing::Limited { plmn: plmn() }),
            (RegistrationStat::EmergencyOnly, None, Standing::Limited { plmn: plmn() }),
            (RegistrationStat::Idle, None, Standing::NoService),
            (RegistrationStat::Searching, Some(ServiceState::None), Standing::Searching),
            (RegistrationStat::Denied, None, Standing::Denied { cause: Some(11) }),
            (RegistrationStat::Roaming, None, Standing::Roaming { plmn: plmn() }),
            (RegistrationStat::HomeSmsOnly, None, Standing::SmsOnly),
            (RegistrationStat::NoSim, None, Standing::Sim(SimState::Absent)),
            (RegistrationStat::Unknown, None, Standing::Unknown),
        ] {
            let standing = Standing::of(&state(stat, service));
            assert_eq!(standing, wanted, "{stat:?} {service:?}");
        }
    }

    #[test]
    fn a_modem_that_is_gone_or_without_its_sim_says_so_first() {
        assert_eq!(Standing::of(&ModemState::default()), Standing::Unknown, "nothing was heard yet");
        let mut modem = state(RegistrationStat::Home, None);
        let value = Sim { state: SimState::Pin, plmn: None, operator: None, raw: None };
        modem.sim = Some(Known { at_mono_ms: 1, value });
        assert_eq!(Standing::of(&modem), Standing::Sim(SimState::Pin));
        modem.present = false;
        modem.trouble = Some("unplugged".into());
        assert_eq!(Standing::of(&modem), Standing::Gone { why: Some("unplugged".into()) });
        assert!(Standing::of(&modem).is_trouble() && !Standing::Home.is_trouble());
    }
}
