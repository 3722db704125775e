//! Descriptors that are objects of the kernel: eventfd, timerfd, signalfd, epoll.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::OFlags;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::error::{DescriptorError, os};
use crate::number;
use crate::save::Found;
use crate::saved::{Watched, What};

/// Describes one; `None` for a kind that is not known.
pub(crate) fn save(found: &Found) -> Option<What> {
    let info = &found.info;
    match found.link.to_str()? {
        "anon_inode:[eventfd]" => Some(What::Event {
            count: info.hexadecimal("eventfd-count")?,
            semaphore: info.decimal("eventfd-semaphore") == Some(1),
        }),
        "anon_inode:[timerfd]" => Some(What::Timer {
            clock: info.decimal("clockid")? as i32,
            remaining_ns: info.time_ns("it_value")?,
            interval_ns: info.time_ns("it_interval")?,
            ticks: info.decimal("ticks")?,
        }),
        "anon_inode:[signalfd]" => Some(What::Signal {
            mask: info.hexadecimal("sigmask")?,
        }),
        "anon_inode:[eventpoll]" => Some(What::Poll {
            watched: info.watched(),
        }),
        _ => None,
    }
}

fn is_nonblocking(flags: u32) -> bool {
    OFlags::from_bits_retain(flags).contains(OFlags::NONBLOCK)
}

/// eventfd(2) with a counter.
pub(crate) fn open_event(
    number: i32,
    flags: u32,
    count: u64,
    semaphore: bool,
) -> Result<OwnedFd, DescriptorError> {
    let mut asked = EventfdFlags::CLOEXEC;
    asked.set(EventfdFlags::NONBLOCK, is_nonblocking(flags));
    asked.set(EventfdFlags::SEMAPHORE, semaphore);
    let made = eventfd(0, asked).map_err(os(number, "eventfd", "eventfd"))?;
    if count > 0 {
        rustix::io::write(&made, &count.to_ne_bytes()).map_err(os(
            number,
            "eventfd",
            "setting its counter",
        ))?;
    }
    Ok(made)
}

fn timespec(time_ns: u64) -> Timespec {
    let time = Duration::from_nanos(time_ns);
    Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// timerfd_create(2), running.
pub(crate) fn open_timer(
    number: i32,
    flags: u32,
    clock: i32,
    (remaining_ns, interval_ns): (u64, u64),
    ticks: u64,
) -> Result<OwnedFd, DescriptorError> {
    let clock = [
        TimerfdClockId::Realtime,
        TimerfdClockId::Monotonic,
        TimerfdClockId::Boottime,
        TimerfdClockId::RealtimeAlarm,
        TimerfdClockId::BoottimeAlarm,
    ]
    .into_iter()
    .find(|known| *known as i32 == clock)
    .unwrap_or(TimerfdClockId::Monotonic);
    let mut asked = TimerfdFlags::CLOEXEC;
    asked.set(TimerfdFlags::NONBLOCK, is_nonblocking(flags));
    let made = timerfd_create(clock, asked).map_err(os(number, "timerfd", "timerfd_create"))?;
    let missed = ticks > 0;
    // A timer that has expired unseen, on a kernel that cannot be told so, expires at once.
    let told = missed && number::set_timer_ticks(&made, ticks).is_ok();
    let first_ns = match (missed, told, remaining_ns) {
        (true, false, _) => 1,
        // One that has a period stands still from when it expires until it is read.
        (true, true, 0) => interval_ns,
        _ => remaining_ns,
    };
    if first_ns > 0 {
        let times = Itimerspec {
            it_interval: timespec(interval_ns),
            it_value: timespec(first_ns),
        };
        timerfd_settime(&made, TimerfdTimerFlags::empty(), &times).map_err(os(
            number,
            "timerfd",
            "timerfd_settime",
        ))?;
        if told {
            // Setting the time has set the count to zero.
            number::set_timer_ticks(&made, ticks).map_err(os(
                number,
                "timerfd",
                "setting its count",
            ))?;
        }
    }
    Ok(made)
}

/// signalfd(2).
pub(crate) fn open_signal(number: i32, flags: u32, mask: u64) -> Result<OwnedFd, DescriptorError> {
    let made = number::signalfd(mask).map_err(os(number, "signalfd", "signalfd"))?;
    let flags = OFlags::from_bits_retain(flags) & OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&made, flags).map_err(os(number, "signalfd", "F_SETFL"))?;
    Ok(made)
}

/// An epoll set, empty.
pub(crate) fn open_poll(number: i32) -> Result<OwnedFd, DescriptorError> {
    epoll::create(epoll::CreateFlags::CLOEXEC).map_err(os(number, "epoll", "epoll_create"))
}

/// Fills an epoll set, once all numbers are there. A descriptor that could not be kept is not watched any more.
pub(crate) fn watch(set: i32, watched: &[Watched]) -> Result<(), DescriptorError> {
    let inconsistent = || DescriptorError::Inconsistent(format!("epoll set {set} is not there"));
    let descriptor = number::borrow(set).ok_or_else(inconsistent)?;
    for entry in watched {
        let Some(source) = number::borrow(entry.number) else {
            continue;
        };
        let events = epoll::EventFlags::from_bits_retain(entry.events);
        match epoll::add(
            descriptor,
            source,
            epoll::EventData::new_u64(entry.data),
            events,
        ) {
            // What stands for a lost descriptor may be of a kind that cannot be watched, or be there twice.
            Ok(()) | Err(rustix::io::Errno::PERM | rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(os(set, "epoll", "epoll_ctl")(errno)),
        }
    }
    Ok(())
}
