//! Choosing among the libraries found: the one that the launcher can start, its own installation's first.

use crate::search::{Place, places};
use crate::{Environment, Error, Family, Identity, Launcher, Vendor, identify};
use std::path::PathBuf;

/// A usable library that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub path: PathBuf,
    pub identity: Identity,
    pub why: String,
}

/// File names of the libraries. Unversioned names are left out: they may be linker scripts.
pub(crate) const FILE_NAMES: [&str; 6] = [
    "libmpi_abi.so.1",
    "libmpi.so.12",
    "libmpich.so.12",
    "libmpi_cray.so.12",
    "libmpi.so.40",
    "libmpi_abi.so.0",
];

/// All usable libraries in `places`, in order, each once; and what was found but is not usable.
pub(crate) fn candidates(places: &[Place]) -> (Vec<Candidate>, Vec<Error>) {
    let mut found = Vec::new();
    let mut rejected = Vec::new();
    let mut seen = Vec::new();
    for place in places {
        for name in FILE_NAMES {
            let path = place.directory.join(name);
            let Ok(real) = path.canonicalize() else {
                continue;
            };
            if seen.contains(&real) {
                continue;
            }
            seen.push(real);
            match identify(&path) {
                Ok(identity) => found.push(Candidate {
                    path,
                    identity,
                    why: place.why.clone(),
                }),
                Err(error) => rejected.push(error),
            }
        }
    }
    (found, rejected)
}

/// Chooses the library to open: the first that `launcher` can start, and that has the wanted `family` if there is one.
///
/// # Errors
/// [`Error::NoMpi`].
pub(crate) fn choose(
    environment: &Environment,
    launcher: &Launcher,
    family: Option<Family>,
) -> Result<Candidate, Error> {
    let places = places(environment, launcher);
    let (found, rejected) = candidates(&places);
    match pick(&found, launcher, family) {
        Some(candidate) => Ok(candidate.clone()),
        None => Err(nothing_suits(
            &places,
            &found,
            &rejected,
            wanted(launcher, family),
        )),
    }
}

/// A library beside the launcher comes before all others; after that, the launcher's own maker before a merely
/// compatible one. If a family is asked for by name and the launcher can start none of it, the first of it is taken
/// all the same: the caller refuses it, and can say which library does not go with which launcher.
fn pick<'a>(
    found: &'a [Candidate],
    launcher: &Launcher,
    family: Option<Family>,
) -> Option<&'a Candidate> {
    let vendors = launcher.kind.vendors();
    let has_family = |candidate: &&Candidate| family.is_none_or(|f| candidate.identity.family == f);
    let startable = |candidate: &&Candidate| {
        has_family(candidate) && vendors.contains(&candidate.identity.vendor)
    };
    let beside = |candidate: &&Candidate| {
        launcher
            .prefix()
            .is_some_and(|prefix| candidate.path.starts_with(prefix))
    };
    let of_vendor = |vendor: &Vendor| {
        found
            .iter()
            .find(|candidate| has_family(candidate) && candidate.identity.vendor == *vendor)
    };
    // Without a launcher of its own to follow, the order of places decides, not the maker.
    let in_order = || match launcher.executable {
        None => found.iter().find(startable),
        Some(_) => vendors.iter().find_map(of_vendor),
    };
    found
        .iter()
        .find(|candidate| beside(candidate) && startable(candidate))
        .or_else(in_order)
        .or_else(|| {
            found
                .iter()
                .find(|candidate| family.is_some() && has_family(candidate))
        })
}

fn nothing_suits(
    places: &[Place],
    found: &[Candidate],
    rejected: &[Error],
    wanted: String,
) -> Error {
    Error::NoMpi {
        wanted,
        names: FILE_NAMES.join(", "),
        places: places
            .iter()
            .map(|place| format!("{} ({})", place.directory.display(), place.why))
            .collect(),
        rejected: rejected
            .iter()
            .map(ToString::to_string)
            .chain(found.iter().map(unsuited))
            .collect(),
    }
}

fn wanted(launcher: &Launcher, family: Option<Family>) -> String {
    let family = family.map_or("any family".to_owned(), |family| {
        format!("the {family} (MANA_MPI)")
    });
    format!(
        "{family}, to be started by {} ({})",
        launcher.kind,
        launcher.evidence_text()
    )
}

fn unsuited(candidate: &Candidate) -> String {
    let Identity { family, vendor } = candidate.identity;
    format!("{} is {vendor} ({family})", candidate.path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect_launcher;

    fn library(path: &str, family: Family, vendor: Vendor) -> Candidate {
        Candidate {
            path: path.into(),
            identity: Identity { family, vendor },
            why: String::new(),
        }
    }

    fn hydra_in(prefix: &str) -> Launcher {
        let variables = [("PMI_RANK", "0"), ("PMI_SIZE", "2")];
        let proxy = PathBuf::from(prefix).join("bin/hydra_pmi_proxy");
        detect_launcher(&Environment::new(variables, [proxy]))
    }

    #[test]
    fn the_library_beside_the_launcher_comes_first() {
        let found = [
            library("/usr/lib/libmpi.so.40", Family::OpenMpi, Vendor::OpenMpi),
            library("/usr/lib/libmpich.so.12", Family::Mpich, Vendor::Mpich),
            library("/opt/m/lib/libmpi.so.12", Family::Mpich, Vendor::Mpich),
        ];
        let picked =
            |launcher: &Launcher, family| pick(&found, launcher, family).map(|c| c.path.clone());
        assert_eq!(
            picked(&hydra_in("/opt/m"), None),
            Some(found[2].path.clone())
        );
        assert_eq!(
            picked(&hydra_in("/opt/elsewhere"), None),
            Some(found[1].path.clone())
        );
        let alone = detect_launcher(&Environment::default());
        assert_eq!(picked(&alone, None), Some(found[0].path.clone()));
        assert_eq!(picked(&hydra_in("/opt/m"), Some(Family::StandardAbi)), None);
    }

    #[test]
    fn a_family_asked_for_by_name_is_found_even_if_it_must_be_refused() {
        let found = [library(
            "/usr/lib/libmpi.so.40",
            Family::OpenMpi,
            Vendor::OpenMpi,
        )];
        assert_eq!(pick(&found, &hydra_in("/opt/m"), None), None);
        assert_eq!(
            pick(&found, &hydra_in("/opt/m"), Some(Family::OpenMpi)),
            Some(&found[0])
        );
    }

    #[test]
    fn the_error_says_where_was_looked_and_what_was_no_good() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("libmpi.so.40"), "INPUT(libmpi.so.41)").unwrap();
        let places = [Place {
            directory: directory.path().to_owned(),
            why: "a test".to_owned(),
        }];
        let (found, rejected) = candidates(&places);
        let wanted = wanted(&hydra_in("/opt/m"), None);
        let error = nothing_suits(&places, &found, &rejected, wanted).to_string();
        let looked_in = format!("{} (a test)", directory.path().display());
        for part in [
            looked_in.as_str(),
            "no 64-bit ELF file",
            "PMI_SIZE=2",
            "MANA_MPI",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }
}
