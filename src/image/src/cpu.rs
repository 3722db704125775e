//! What an image needs of the processor that it restarts on.
//!
//! The program's libraries have chosen code for the processor that they started on (ifunc), and a signal frame's XSAVE
//! area holds the registers that it had. So an image lists the features of the processor, and a restart on one that
//! lacks any of them is refused by name rather than ended by an illegal instruction.

/// The features that programs choose code by, as `/proc/cpuinfo` or the architecture's manual call them.
#[cfg(target_arch = "x86_64")]
macro_rules! known_features {
    ($test:ident) => {
        [
            ("sse3", $test!("sse3")),
            ("ssse3", $test!("ssse3")),
            ("sse4.1", $test!("sse4.1")),
            ("sse4.2", $test!("sse4.2")),
            ("popcnt", $test!("popcnt")),
            ("aes", $test!("aes")),
            ("pclmulqdq", $test!("pclmulqdq")),
            ("xsave", $test!("xsave")),
            ("avx", $test!("avx")),
            ("f16c", $test!("f16c")),
            ("fma", $test!("fma")),
            ("bmi1", $test!("bmi1")),
            ("bmi2", $test!("bmi2")),
            ("lzcnt", $test!("lzcnt")),
            ("movbe", $test!("movbe")),
            ("avx2", $test!("avx2")),
            ("rdrand", $test!("rdrand")),
            ("rdseed", $test!("rdseed")),
            ("adx", $test!("adx")),
            ("sha", $test!("sha")),
            ("rtm", $test!("rtm")),
            ("vaes", $test!("vaes")),
            ("gfni", $test!("gfni")),
            ("avx512f", $test!("avx512f")),
            ("avx512dq", $test!("avx512dq")),
            ("avx512cd", $test!("avx512cd")),
            ("avx512bw", $test!("avx512bw")),
            ("avx512vl", $test!("avx512vl")),
            ("avx512vbmi", $test!("avx512vbmi")),
            ("avx512vbmi2", $test!("avx512vbmi2")),
            ("avx512vnni", $test!("avx512vnni")),
            ("avx512bf16", $test!("avx512bf16")),
            ("avx512fp16", $test!("avx512fp16")),
        ]
    };
}

/// The features that this processor has, of those that programs choose code by.
#[cfg(target_arch = "x86_64")]
pub fn cpu_features() -> Vec<String> {
    use std::arch::is_x86_feature_detected;
    known_features!(is_x86_feature_detected)
        .into_iter()
        .filter(|(_, has)| *has)
        .map(|(name, _)| name.into())
        .collect()
}

/// The features that this processor has: none are told apart on this architecture yet.
#[cfg(not(target_arch = "x86_64"))]
pub fn cpu_features() -> Vec<String> {
    Vec::new()
}

/// The features in `needed` that this processor lacks.
pub fn missing_cpu_features(needed: &[String]) -> Vec<String> {
    let here = cpu_features();
    needed
        .iter()
        .filter(|name| !here.contains(name))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_here_is_not_missing_and_what_is_not_is() {
        let mut needed = cpu_features();
        assert!(missing_cpu_features(&needed).is_empty());
        needed.push("warp-drive".into());
        assert_eq!(missing_cpu_features(&needed), ["warp-drive"]);
    }
}
