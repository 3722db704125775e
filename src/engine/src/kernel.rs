//! The kernel of a checkpoint and the one of its restart.
//!
//! Programs and their libraries look once for what the kernel has, and rely on it from then on. A newer kernel has all that an older one
//! had; an older one may lack something, which shows when the program asks for it: so that is said, and not refused.

use mana_image::{WriterInfo, kernel_version};

use crate::messages::say;

/// Says that this kernel is older than the one under which a checkpoint was made, if it is.
pub fn compare(written: &WriterInfo) {
    let here = mana_image::kernel();
    if is_older(&here, &written.kernel) {
        say!(
            "mana: the checkpoint was made under {}, and this is {here}: something that the program has found its kernel to have may be \
             missing here. If it fails, restart it on a machine whose kernel is not older",
            written.kernel
        );
    }
}

/// Whether the one kernel, `Linux 6.1.0-18-amd64 x86_64`, is older than the other; not if one of them is called otherwise.
fn is_older(one: &str, other: &str) -> bool {
    let versions = version(one).zip(version(other));
    versions.is_some_and(|(one, other)| one < other)
}

fn version(kernel: &str) -> Option<(u32, u32)> {
    kernel_version(kernel.strip_prefix("Linux ")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_is_by_number_and_not_by_letter() {
        let new = "Linux 6.10.3-1-generic x86_64";
        assert!(is_older("Linux 6.9.1 x86_64", new));
        assert!(is_older("Linux 5.14.0-427.el9.x86_64 x86_64", new));
        assert!(!is_older(new, new) && !is_older("Linux 6.10.0 x86_64", new));
        assert!(!is_older("Linux 7.0 x86_64", new));
        assert!(!is_older("SunOS 5.11", new) && !is_older("", new));
        assert!(version(&mana_image::kernel()).is_some());
    }
}
