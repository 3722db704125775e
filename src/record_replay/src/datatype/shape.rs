//! The shape of a datatype: where its bytes lie, in type map order, without the type map's length.
//!
//! ```text
//!   vector(count 3, blocklength 2, stride 4) of MPI_INT
//!
//!   Repeat { count: 3, step: 16,            offsets  0  4        16 20        32 36
//!            body: Run { 0, 8 bytes, INT } }         ##  ##       ##  ##       ##  ##
//! ```
//!
//! A million blocks of a vector are one `Repeat`. A run holds elements of one basic type; neighbouring runs are joined when
//! they are walked, so a walk costs one step per gap in memory, not one per element.
//!
//! Invariant: no part of a shape is empty (no run of 0 bytes, no repetition of 0 times).

use std::sync::Arc;

use super::predefined::predefined;
use crate::handle::DatatypeHandle;

/// Where the bytes of one datatype lie, relative to its origin.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Elements of one basic type, one after the other.
    Run {
        /// Where the first byte lies.
        offset: i64,
        /// How many bytes.
        length: i64,
        /// The basic type, whose size divides the length.
        basic: DatatypeHandle,
    },
    /// Copies at a regular distance.
    Repeat {
        /// How many.
        count: i64,
        /// Bytes from one to the next.
        step: i64,
        /// What is repeated.
        body: Arc<Shape>,
    },
    /// Parts at their offsets, in order.
    Sequence(Arc<[(i64, Shape)]>),
}

/// Consecutive bytes of a datatype in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Where the first one lies, relative to the buffer's address.
    pub offset: i64,
    /// How many.
    pub length: i64,
}

/// Consecutive elements of one basic type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BasicRun {
    /// Where they lie.
    pub run: Run,
    /// Their type.
    pub basic: DatatypeHandle,
}

impl Shape {
    /// `count` copies at a distance of `step` bytes. Joins copies that lie one after the other.
    pub(super) fn repeat(self, count: i64, step: i64) -> Self {
        match self {
            _ if count == 1 => self,
            Self::Run {
                offset,
                length,
                basic,
            } if length == step => Self::Run {
                offset,
                length: length * count,
                basic,
            },
            body => Self::Repeat {
                count,
                step,
                body: Arc::new(body),
            },
        }
    }
}

/// An amount of data: bytes, and the basic elements that they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Amount {
    pub(super) bytes: i64,
    pub(super) elements: i64,
}

impl Amount {
    fn times(self, count: i64) -> Self {
        Self {
            bytes: self.bytes * count,
            elements: self.elements * count,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            elements: self.elements + other.elements,
        }
    }

    /// Whether this much and `more` is still within a limit on one of the two.
    fn within(self, more: Self, limit: Limit) -> bool {
        match limit {
            Limit::Bytes(limit) => self.bytes + more.bytes <= limit,
            Limit::Elements(limit) => self.elements + more.elements <= limit,
        }
    }
}

/// How far [`Shape::prefix`] goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    Bytes(i64),
    Elements(i64),
}

impl Shape {
    /// All of the shape.
    fn amount(&self) -> Amount {
        match self {
            Self::Run { length, basic, .. } => Amount {
                bytes: *length,
                elements: length / size_of(*basic),
            },
            Self::Repeat { count, body, .. } => body.amount().times(*count),
            Self::Sequence(parts) => parts.iter().fold(
                Amount {
                    bytes: 0,
                    elements: 0,
                },
                |sum, (_, part)| sum.plus(part.amount()),
            ),
        }
    }

    /// The longest beginning of whole elements within a limit. Skips whole parts, so it takes as many steps as the shape
    /// has parts, not as there are runs.
    pub(super) fn prefix(&self, limit: Limit) -> Amount {
        let mut sum = Amount {
            bytes: 0,
            elements: 0,
        };
        let mut shape = self;
        loop {
            match shape {
                Self::Run { length, basic, .. } => {
                    let one = Amount {
                        bytes: size_of(*basic),
                        elements: 1,
                    };
                    return sum.plus(
                        one.times(copies_within(sum, one, limit).min(length / size_of(*basic))),
                    );
                }
                Self::Repeat { count, body, .. } => {
                    let one = body.amount();
                    let whole = copies_within(sum, one, limit).min(*count);
                    sum = sum.plus(one.times(whole));
                    if whole == *count {
                        return sum;
                    }
                    shape = body;
                }
                Self::Sequence(parts) => {
                    let mut parts = parts.iter().map(|(_, part)| part);
                    let cut = parts.find(|part| {
                        let whole = part.amount();
                        let fits = sum.within(whole, limit);
                        sum = if fits { sum.plus(whole) } else { sum };
                        !fits
                    });
                    let Some(part) = cut else { return sum };
                    shape = part;
                }
            }
        }
    }
}

/// How many more copies of `one` fit a limit.
fn copies_within(sum: Amount, one: Amount, limit: Limit) -> i64 {
    match limit {
        Limit::Bytes(limit) => (limit - sum.bytes) / one.bytes,
        Limit::Elements(limit) => (limit - sum.elements) / one.elements,
    }
}

fn size_of(basic: DatatypeHandle) -> i64 {
    predefined(basic).map_or(1, |row| i64::from(row.size_bytes))
}

/// Walks `count` copies of a shape, `extent` bytes apart: basic runs in type map order, as they are in the shape.
#[derive(Clone, Debug)]
pub struct BasicRuns<'a> {
    stack: Vec<Frame<'a>>,
}

#[derive(Clone, Debug)]
enum Frame<'a> {
    Repeat {
        left: i64,
        step: i64,
        base: i64,
        body: &'a Shape,
    },
    Sequence {
        parts: &'a [(i64, Shape)],
        base: i64,
    },
}

impl<'a> BasicRuns<'a> {
    pub(super) fn new(shape: Option<&'a Shape>, count: i64, extent: i64) -> Self {
        let copies = shape.map(|body| Frame::Repeat {
            left: count,
            step: extent,
            base: 0,
            body,
        });
        Self {
            stack: copies.into_iter().collect(),
        }
    }
}

impl<'a> Frame<'a> {
    /// The next part and where it lies; None at the end.
    fn advance(&mut self) -> Option<(i64, &'a Shape)> {
        match self {
            Self::Repeat { left: ..=0, .. } => None,
            Self::Repeat {
                left,
                step,
                base,
                body,
            } => {
                let at = *base;
                *left -= 1;
                *base = base.wrapping_add(*step);
                Some((at, body))
            }
            Self::Sequence { parts, base } => {
                let ((offset, part), rest) = parts.split_first()?;
                *parts = rest;
                Some((*base + offset, part))
            }
        }
    }
}

impl Iterator for BasicRuns<'_> {
    type Item = BasicRun;

    fn next(&mut self) -> Option<BasicRun> {
        loop {
            let Some((base, part)) = self.stack.last_mut()?.advance() else {
                self.stack.pop();
                continue;
            };
            match part {
                Shape::Run {
                    offset,
                    length,
                    basic,
                } => {
                    return Some(BasicRun {
                        run: Run {
                            offset: base + offset,
                            length: *length,
                        },
                        basic: *basic,
                    });
                }
                Shape::Repeat { count, step, body } => {
                    self.stack.push(Frame::Repeat {
                        left: *count,
                        step: *step,
                        base,
                        body,
                    });
                }
                Shape::Sequence(parts) => self.stack.push(Frame::Sequence { parts, base }),
            }
        }
    }
}

/// As [`BasicRuns`], with neighbours joined whatever their types: the copies that a pack has to make.
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    basic: BasicRuns<'a>,
    pending: Option<Run>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(basic: BasicRuns<'a>) -> Self {
        Self {
            basic,
            pending: None,
        }
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        for BasicRun { run, .. } in self.basic.by_ref() {
            match &mut self.pending {
                Some(pending) if pending.offset + pending.length == run.offset => {
                    pending.length += run.length
                }
                pending => {
                    if let Some(complete) = pending.replace(run) {
                        return Some(complete);
                    }
                }
            }
        }
        self.pending.take()
    }
}
