//! The open brackets of one reading, and what is pending in each.
//!
//! Counts and refuses. It knows no text: offsets only pass through to errors.

use super::{ANGLES_MAX, CHAIN_MAX, Limit, NESTING_MAX, SPECULATION_MAX, TooDeep};

#[derive(Clone)]
pub struct Brackets {
    /// The first level is the file itself.
    levels: Vec<Level>,
    /// Sums over the open levels.
    angles: u32,
    speculations: u32,
}

/// Between one bracket and its partner.
#[derive(Clone)]
struct Level {
    closer: Closer,
    /// Operators and prefixes since the last end of a statement or list item.
    chain: u32,
    /// `<` without `>` since then.
    angles: u32,
    /// `infer X extends` since then.
    infers: u32,
    /// The bracket was opened while a `<` was pending.
    speculative: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Closer {
    File,
    Byte(u8),
    /// The `)` of `if (` and the like, after which a statement follows.
    Head,
    /// The `}` of `${`, after which the template goes on.
    Template,
}

impl Brackets {
    pub fn none() -> Self {
        Self {
            levels: vec![Level::new(Closer::File, false)],
            angles: 0,
            speculations: 0,
        }
    }

    pub fn open(&mut self, offset: usize, closer: Closer) -> Result<(), TooDeep> {
        if self.levels.len() > NESTING_MAX {
            return Err(TooDeep {
                offset,
                limit: Limit::Nesting,
            });
        }
        let speculative = self.top().angles > 0;
        self.levels.push(Level::new(closer, speculative));
        self.speculations += u32::from(speculative);
        self.check_speculation(offset)
    }

    /// Closes the innermost bracket, if `closer` is its partner.
    pub fn close(&mut self, closer: u8) -> Option<Closer> {
        let matches = match self.top().closer {
            Closer::File => false,
            Closer::Byte(expected) => expected == closer,
            Closer::Head => closer == b')',
            Closer::Template => closer == b'}',
        };
        if !matches {
            return None;
        }
        let level = self.levels.pop()?;
        self.angles -= level.angles;
        self.speculations -= level.speculations();
        Some(level.closer)
    }

    /// One more operator or prefix.
    pub fn link(&mut self, offset: usize) -> Result<(), TooDeep> {
        let level = self.top_mut();
        level.chain += 1;
        if level.chain > CHAIN_MAX {
            return Err(TooDeep {
                offset,
                limit: Limit::Chain,
            });
        }
        Ok(())
    }

    pub fn end_chain(&mut self) {
        self.top_mut().chain = 0;
    }

    pub fn open_angles(&mut self, offset: usize, count: u32) -> Result<(), TooDeep> {
        self.top_mut().angles += count;
        self.angles += count;
        if self.angles > ANGLES_MAX {
            return Err(TooDeep {
                offset,
                limit: Limit::Angles,
            });
        }
        Ok(())
    }

    pub fn close_angle(&mut self) {
        if self.top().angles > 0 {
            self.top_mut().angles -= 1;
            self.angles -= 1;
        }
    }

    /// No `<` so far in this level can be read as type arguments any more.
    pub fn end_angles(&mut self) {
        self.angles -= self.top().angles;
        self.top_mut().angles = 0;
    }

    /// One more `infer X extends`.
    pub fn infer(&mut self, offset: usize) -> Result<(), TooDeep> {
        self.top_mut().infers += 1;
        self.speculations += 1;
        self.check_speculation(offset)
    }

    pub fn end_statement(&mut self) {
        self.end_angles();
        self.end_chain();
        self.speculations -= self.top().infers;
        self.top_mut().infers = 0;
    }

    /// Whether the same brackets are open; the counters may differ.
    pub fn same_as(&self, other: &Brackets) -> bool {
        self.levels.len() == other.levels.len()
            && self
                .levels
                .iter()
                .zip(&other.levels)
                .all(|(a, b)| a.closer == b.closer)
    }

    /// Takes the higher counters of two that have the same brackets open.
    pub fn merge(&mut self, other: &Brackets) {
        for (level, other) in self.levels.iter_mut().zip(&other.levels) {
            level.chain = level.chain.max(other.chain);
            level.angles = level.angles.max(other.angles);
            level.infers = level.infers.max(other.infers);
            level.speculative |= other.speculative;
        }
        self.angles = self.levels.iter().map(|level| level.angles).sum();
        self.speculations = self.levels.iter().map(Level::speculations).sum();
    }

    fn check_speculation(&self, offset: usize) -> Result<(), TooDeep> {
        if self.speculations > SPECULATION_MAX {
            return Err(TooDeep {
                offset,
                limit: Limit::Speculation,
            });
        }
        Ok(())
    }

    fn top(&self) -> &Level {
        self.levels
            .last()
            .expect("the file's own level is never closed")
    }

    fn top_mut(&mut self) -> &mut Level {
        self.levels
            .last_mut()
            .expect("the file's own level is never closed")
    }
}

impl Level {
    fn new(closer: Closer, speculative: bool) -> Self {
        Self {
            closer,
            chain: 0,
            angles: 0,
            infers: 0,
            speculative,
        }
    }

    fn speculations(&self) -> u32 {
        u32::from(self.speculative) + self.infers
    }
}
