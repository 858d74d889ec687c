//! Single keys of the terminal, without Enter.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

/// The settings of the terminal before [`Keyboard::open`] changed them.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The keyboard of the terminal on stdin. The terminal passes each key on at once and does not show
/// it. Its settings are restored when the keyboard is dropped, and by [`restore`].
#[derive(Debug)]
pub struct Keyboard(());

impl Keyboard {
    /// Returns the keyboard; `None` if stdin is no terminal, or the program runs in the background.
    pub fn open() -> Option<Self> {
        if !is_in_foreground() {
            return None;
        }
        let before = termios::tcgetattr(io::stdin()).ok()?;
        let mut settings = before.clone();
        // Ctrl-C still sends a signal.
        settings.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
        // A read returns at once, also without a key.
        settings.special_codes[SpecialCodeIndex::VMIN] = 0;
        settings.special_codes[SpecialCodeIndex::VTIME] = 0;
        *lock() = Some(before);
        let keyboard = Self(());
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &settings).ok()?;
        Some(keyboard)
    }

    /// Returns the keys that were pressed since the last call, as bytes.
    pub fn pressed(&mut self) -> Vec<u8> {
        // A read in the background would stop the program.
        if !is_in_foreground() {
            return Vec::new();
        }
        let mut keys = [0; 64];
        let count = rustix::io::read(io::stdin(), &mut keys[..]).unwrap_or(0);
        keys[..count].to_vec()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the settings of the terminal, if a [`Keyboard`] has changed them.
pub fn restore() {
    if let Some(before) = lock().take()
        // A program in the background must not change them, and the shell has restored its own.
        && is_in_foreground()
    {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// Returns whether stdin is a terminal that belongs to this program at the moment.
fn is_in_foreground() -> bool {
    termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

fn lock() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}
