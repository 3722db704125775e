//! What an earlier version wrote is read: fields that came later have their defaults.

use mana_descriptors::{Descriptors, What};

/// Written when something lost was told by its number only, and there were no files to make again, terminals or locks.
const EARLIER: &str = r#"{
  "files": [
    { "flags": 32770, "what": { "Standard": 1 } },
    { "flags": 2, "what": { "Directory": { "path": "/tmp", "offset_bytes": 0 } } },
    { "flags": 2, "what": "Lost" }
  ],
  "numbers": [
    { "number": 1, "file": 0, "close_on_exec": false },
    { "number": 5, "file": 1, "close_on_exec": true },
    { "number": 7, "file": 2, "close_on_exec": false }
  ],
  "pipes": [{ "pipe": 77, "capacity_bytes": 65536, "content": [97, 98] }],
  "lost": [{ "number": 7, "what": "socket:[77]", "why": "its other end is in another process" }]
}"#;

#[test]
fn what_was_written_earlier_is_read() {
    let read: Descriptors = serde_json::from_str(EARLIER).unwrap();
    assert_eq!(read.highest(), Some(7));
    assert_eq!(read.files[2].what, What::Lost);
    assert!(read.stored.is_empty() && read.terminals.is_empty() && read.files[0].locks.is_empty());
    assert_eq!((read.pipes[0].path.as_ref(), read.pipes[0].mode), (None, 0));
    assert_eq!(read.lost[0].why, "its other end is in another process");
    assert!(read.lost[0].object.is_empty() && read.lost[0].then.is_empty());
    assert!(read.members.is_empty());
}

#[test]
fn a_program_of_one_process_is_written_as_earlier() {
    let read: Descriptors = serde_json::from_str(EARLIER).unwrap();
    assert!(!serde_json::to_string(&read).unwrap().contains("members"));
}

#[test]
fn what_is_missing_and_has_no_default_is_named() {
    let damaged = EARLIER.replace("\"numbers\"", "\"figures\"");
    let error = serde_json::from_str::<Descriptors>(&damaged).unwrap_err();
    assert!(error.to_string().contains("numbers"), "{error}");
}
