//! MPICH's lists of tests: a line is a program, a number of ranks, and words `key=value`.
//!
//! ```text
//!   sendself 1                         # a comment
//!   bigtype 1 mem=6.5 timeLimit=60     the rest have defaults
//!   abortexit 2 resultTest=TestStatus  must end with a status other than 0
//! ```

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// A program, or a folder with a list of its own.
    pub name: String,
    pub ranks: u32,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Whether a nonzero status is what is wanted.
    pub must_fail: bool,
    /// Whether MPICH expects it to fail.
    pub xfail: bool,
    /// Memory that it wants, in GiB, rounded up.
    pub memory_gib: u32,
    pub seconds: Option<u64>,
}

/// Ranks where a line does not say.
const RANKS: u32 = 2;

impl Line {
    /// The line without its comment; `None` where nothing is left.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split('#').next()?.split_whitespace();
        let mut parsed = Self {
            name: words.next()?.to_owned(),
            ranks: RANKS,
            args: Vec::new(),
            env: Vec::new(),
            must_fail: false,
            xfail: false,
            memory_gib: 0,
            seconds: None,
        };
        for word in words {
            match word.split_once('=') {
                None => parsed.ranks = word.parse().unwrap_or(RANKS),
                Some((key, value)) => parsed.set(key, value),
            }
        }
        Some(parsed)
    }

    fn set(&mut self, key: &str, value: &str) {
        match key {
            "arg" => self.args.push(value.to_owned()),
            "env" => {
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                self.env.push((name.to_owned(), value.to_owned()));
            }
            "resultTest" => self.must_fail = value == "TestStatus" || value == "TestErrFatal",
            "xfail" => self.xfail = !value.is_empty(),
            "mem" => {
                self.memory_gib = value
                    .parse::<f64>()
                    .map_or(u32::MAX, |gib| gib.ceil() as u32)
            }
            "timeLimit" => self.seconds = value.parse().ok(),
            // Which configurations of MPICH run it: strict, mpix, lock, init …
            _ => {}
        }
    }

    /// Name, ranks, arguments and environment: what tells it from other lines of the list.
    pub fn case(&self, folder: &str) -> String {
        let mut case = format!("{folder}/{} {}", self.name, self.ranks);
        for (name, value) in &self.env {
            case += &format!(" {name}={value}");
        }
        for arg in &self.args {
            case += &format!(" {arg}");
        }
        case
    }
}

/// All lines of a list.
pub(crate) fn parse(text: &str) -> Vec<Line> {
    text.lines().filter_map(Line::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lines_are_programs_with_ranks_and_words() {
        let lines = parse(
            "# succeeds\n\nattrt 2\nonce\nallred 4 arg=-count=10 arg=-x # why\nbig 1 mem=6.5 timeLimit=60\n",
        );
        let names: Vec<_> = lines
            .iter()
            .map(|line| (line.name.as_str(), line.ranks))
            .collect();
        assert_eq!(
            names,
            [("attrt", 2), ("once", 2), ("allred", 4), ("big", 1)]
        );
        assert_eq!(lines[2].args, ["-count=10", "-x"]);
        assert_eq!(lines[2].case("coll"), "coll/allred 4 -count=10 -x");
        assert_eq!((lines[3].memory_gib, lines[3].seconds), (7, Some(60)));
    }

    #[test]
    fn words_say_how_it_ends_and_what_it_is_given() {
        let lines = parse(
            "a 2 resultTest=TestStatus env=MPIR_CVAR_X=1\nb 1 xfail=ticket12\nc 1 resultTest=TestErrFatal",
        );
        assert!(lines[0].must_fail && lines[2].must_fail && !lines[1].must_fail);
        assert_eq!(lines[0].env, [("MPIR_CVAR_X".to_owned(), "1".to_owned())]);
        assert!(lines[1].xfail && !lines[0].xfail);
    }
}
