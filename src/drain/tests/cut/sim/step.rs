//! What a thread does when it goes on with its program.
use mana_drain::{Start, Verdict};

use super::mail::{Message, Source};
use super::proc::{Doing, Open, Running, What, gid};
use super::program::{Lane, Op, Program};

impl Running {
    /// Begins the thread's next step, if it can be begun; the message that it sends, if it does.
    pub fn begin(&mut self, program: &Program, thread: usize) -> Option<(Lane, Message)> {
        let mut sent = None;
        match self.op(program, thread) {
            Some(op) => sent = self.step(program, thread, op),
            None if thread > 0 => self.proc.threads[thread].doing = Doing::Done,
            None if self.proc.is_joined_by_threads() => {
                if let Some(inside) = self.start(program, 0, Start::Blocking) {
                    self.machine.finish();
                    self.proc.threads[thread].doing = inside;
                }
            }
            None => {}
        }
        self.settle();
        sent
    }

    fn step(&mut self, program: &Program, thread: usize, op: Op) -> Option<(Lane, Message)> {
        let (mut inside, mut sent) = (None, None);
        let done = match op {
            Op::Init => {
                inside = Some(Doing::InInit);
                false
            }
            Op::Send(to) | Op::Isend(to) => {
                sent = Some(self.send(thread, to, matches!(op, Op::Isend(_))));
                true
            }
            Op::Ssend(to) => {
                let (to, message) = self.send(thread, to, true);
                let seq = message.seq;
                inside = Some(Doing::InSsend { to, seq });
                sent = Some((to, message));
                false
            }
            Op::RecvUnless(from, most) if self.proc.delivered_on(from) > most => true,
            Op::Recv(from) | Op::RecvUnless(from, _) => {
                let post = self.post(thread, Source::Lane(from));
                inside = Some(Doing::InRecv { post });
                false
            }
            Op::RecvAny(comm) => {
                let post = self.post(thread, Source::Any(comm));
                inside = Some(Doing::InRecv { post });
                false
            }
            Op::Irecv(from) => {
                self.post(thread, Source::Lane(from));
                true
            }
            Op::IrecvAny(comm) => {
                self.post(thread, Source::Any(comm));
                true
            }
            Op::Cancel => {
                let own = self.proc.posted.iter_mut();
                own.filter(|posted| posted.thread == thread)
                    .for_each(|posted| posted.cancelled = true);
                true
            }
            Op::Coll(comm) | Op::CollWith(comm, _) => {
                inside = self.start(program, comm, Start::Blocking);
                false
            }
            Op::Make(_) => {
                inside = self.start(program, 0, Start::Blocking);
                false
            }
            Op::Icoll(comm) => self.initiate(program, thread, comm, None),
            Op::Imake(made) => self.initiate(program, thread, 0, Some(made)),
            Op::Io => {
                let what = What::Io;
                self.proc.open.push(Open { thread, what });
                true
            }
            // The rendezvous sends are looked at by the job, which has the channels.
            Op::Waitall => {
                self.proc.posted.iter().all(|one| one.thread != thread)
                    && self.proc.open.iter().all(|one| one.thread != thread)
            }
            Op::Free(comm) => {
                let id = self.proc.ids[comm].take().expect("freed after use");
                self.machine.retire(id);
                true
            }
            // The job does it: the word is in rank 0's memory.
            Op::Lock(_) | Op::Unlock(_) => true,
            Op::CriticalBegin => {
                let entered = self.machine.critical_begin() == Verdict::Enter;
                self.proc.critical_depth += u32::from(entered);
                entered
            }
            Op::CriticalEnd => {
                self.machine.critical_end();
                self.proc.critical_depth -= 1;
                true
            }
        };
        let at = &mut self.proc.threads[thread];
        at.pc += usize::from(done);
        at.doing = inside.unwrap_or(at.doing);
        sent
    }

    /// Asks the machine to let a blocking collective start, and counts it; what the thread is in then.
    fn start(&mut self, program: &Program, comm: usize, start: Start) -> Option<Doing> {
        let size = program.comms[comm].len() as u32;
        let id = match self.proc.ids[comm] {
            Some(id) => id,
            None => self.machine.register(gid(comm), size).unwrap(),
        };
        self.proc.ids[comm] = Some(id);
        if self.machine.may_start(id, start) == Verdict::Hold {
            return None;
        }
        self.proc.started[comm] += 1;
        let count = self.proc.started[comm];
        Some(Doing::InColl { comm, count })
    }

    /// The same for a nonblocking one, which may make a communicator.
    fn initiate(
        &mut self,
        program: &Program,
        thread: usize,
        comm: usize,
        makes: Option<usize>,
    ) -> bool {
        if self.start(program, comm, Start::Nonblocking).is_none() {
            return false;
        }
        let count = self.proc.started[comm];
        let what = What::Coll { comm, count, makes };
        self.proc.open.push(Open { thread, what });
        true
    }
}
