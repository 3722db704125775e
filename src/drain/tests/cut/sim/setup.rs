//! What is to be tried on a job, and what can happen to one.
use super::program::{Lane, Program};

/// Whether the machines are used as they are, or a mistake is made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Variant {
    #[default]
    Right,
    /// Ranks that are not behind stand still from the intent on.
    StopDeadAtMaximum,
    /// Ranks held at a gate are only let through if another has passed it.
    NeverGo,
    /// The root never loses patience.
    Endless,
    /// The root does not hear of the clocks.
    IgnoreClocks,
    /// Parked ranks do not receive.
    NoDraining,
    /// The root does not hear of messages and requests under way.
    IgnoreCounters,
    /// A rank counts as parked when one of its threads is.
    OneThreadParks,
    /// Targets go only to members that have reported the communicator.
    TrustReports,
    /// A request is taken before all ranks have been in MPI_Init.
    HasteAtInit,
}

/// How late the root's picture of the ranks may be. Broadcasts may always be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    /// Made at any time, and to the parent at any time after that.
    Delayed,
    /// Made at any time, and with the parent at that moment.
    Sampled,
    /// Made whenever something changes.
    Immediate,
}

impl Reports {
    /// As late as can be explored for so many ranks.
    fn of(size: usize) -> Reports {
        match size {
            0..=2 => Reports::Delayed,
            3 => Reports::Sampled,
            _ => Reports::Immediate,
        }
    }
}

/// What is to be tried on a job.
#[derive(Clone, Debug)]
pub struct Setup {
    pub program: Program,
    /// Checkpoints asked for.
    pub requests: u32,
    /// Whether each ends the job, which is then restarted from the images.
    pub restart: bool,
    /// Whether any one rank's image may fail to be written.
    pub may_fail: bool,
    /// Children per node of the tree of agents.
    pub arity: u32,
    pub reports: Reports,
    /// Whether the root's patience may run out at any moment, or only when nothing else can happen.
    pub impatient: bool,
    pub variant: Variant,
}

impl Setup {
    pub fn new(program: Program) -> Setup {
        let size = program.size();
        Setup {
            program,
            requests: 1,
            restart: false,
            may_fail: false,
            arity: 2,
            reports: Reports::of(size),
            impatient: false,
            variant: Variant::Right,
        }
    }
}

/// Something that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A thread of the rank goes on with its program, or tries to.
    Run(usize, usize),
    /// A thread of the rank parks.
    Park(usize, usize),
    /// The oldest message of the rank on the lane arrives.
    Arrive(usize, Lane),
    /// MPI completes the rank's oldest nonblocking operation that is no message.
    Complete(usize),
    /// MPI cancels the rank's oldest receive that is to be.
    Cancelled(usize),
    /// The rank's agent reports.
    Report(usize),
    /// The rank's report reaches its parent.
    Rise(usize),
    /// The oldest broadcast reaches the rank.
    Fall(usize),
    /// Somebody asks for a checkpoint.
    Request,
    /// Nothing has moved for long enough.
    Patience,
    /// The rank writes its image.
    Write(usize),
    /// The rank cannot write its image.
    Fail(usize),
}
