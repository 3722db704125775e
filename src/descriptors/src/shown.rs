//! What descriptors are, in words.

use crate::saved::{Descriptors, StoredKind, What};
use crate::sockets::{Socket, State};

impl What {
    /// Of what kind it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            What::Standard(_) => "standard stream",
            What::File { .. } => "file",
            What::Stored { .. } => "stored file",
            What::Directory { .. } => "directory",
            What::ByPath(_) => "device",
            What::Pipe { .. } => "pipe",
            What::Event { .. } => "eventfd",
            What::Timer { .. } => "timerfd",
            What::Signal { .. } => "signalfd",
            What::Poll { .. } => "epoll",
            What::Watches(_) => "inotify",
            What::Socket(_) => "socket",
            What::Terminal { .. } => "terminal",
            What::Lost => "lost",
        }
    }

    /// The position in it, in bytes, where it has one.
    #[must_use]
    pub fn position_bytes(&self) -> Option<u64> {
        match self {
            What::File { offset_bytes, .. }
            | What::Stored { offset_bytes, .. }
            | What::Directory { offset_bytes, .. } => Some(*offset_bytes),
            _ => None,
        }
    }
}

impl Descriptors {
    /// What there is to know of one of [`Descriptors::files`]: a path, an address, how much is in it.
    #[must_use]
    pub fn detail(&self, file: usize) -> String {
        let Some(file) = self.files.get(file) else {
            return String::new();
        };
        let stored = |id| self.stored.iter().find(|stored| stored.id == id);
        match &file.what {
            What::Standard(which) => ["stdin", "stdout", "stderr"]
                .get(*which as usize)
                .map_or_else(String::new, |name| (*name).to_owned()),
            What::File { path, .. } | What::Directory { path, .. } | What::ByPath(path) => {
                path.display().to_string()
            }
            What::Stored { id, .. } => match stored(*id).map(|stored| &stored.kind) {
                Some(StoredKind::Memory { name, .. }) => format!("memfd {name}"),
                Some(StoredKind::Nameless { path }) => format!("{} (removed)", path.display()),
                Some(StoredKind::Shared { path }) => path.display().to_string(),
                None => String::new(),
            },
            What::Pipe { pipe } => {
                let pipe = self.pipes.iter().find(|content| content.pipe == *pipe);
                pipe.map_or_else(String::new, |pipe| {
                    let name = pipe.path.as_ref().map(|path| path.display().to_string());
                    format!("{} {} bytes", name.unwrap_or_default(), pipe.content.len())
                        .trim_start()
                        .to_owned()
                })
            }
            What::Event { count, .. } => format!("count {count}"),
            What::Timer { interval_ns, .. } => format!("every {interval_ns} ns"),
            What::Signal { mask } => format!("signals {mask:#x}"),
            What::Poll { watched } => format!("watches {}", watched.len()),
            What::Watches(watches) => format!("watches {}", watches.len()),
            What::Socket(socket) => of_socket(socket),
            What::Terminal { number, is_master } => {
                let side = if *is_master { "master of " } else { "" };
                format!("{side}/dev/pts/{number}")
            }
            What::Lost => String::new(),
        }
    }
}

fn of_socket(socket: &Socket) -> String {
    let bytes: usize = socket
        .received
        .iter()
        .map(|message| message.bytes.len())
        .sum();
    let state = match socket.state {
        State::Alone => "",
        State::Listening { .. } => ", listening",
        State::Ours(_) => ", connected within the program",
        State::Left => ", left",
        State::Towards(_) => ", with an address to send to",
    };
    format!("{}{state}, {bytes} bytes", socket.shown())
}
