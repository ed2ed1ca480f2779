//! Aiming an antenna: what somebody on a hill has to see while turning it, made of what the agent says of its modem.
//!
//! In: lines of the running agent, keys. Out: a [`Screen`], and with the feature `full` the page that draws it. Refuses
//! to know: sockets, processes, how anything is measured. Limits: everything but the page is pure; an old value is never
//! shown as one of now.

pub mod bar;
pub mod branches;
pub mod leg;
pub mod screen;
pub mod standing;
pub mod still;
pub mod told;
pub mod track;
pub mod window;

#[cfg(feature = "full")]
pub mod digits;
#[cfg(feature = "full")]
pub mod page;

pub use screen::{Acceptance, Key, Screen, Wish};
