//! Chapter by chapter: programs that call the functions and check what comes back (tests/programs/calls).

mana_suite::calls! { OPENMPI_4:
    attr_calls 2,
    comm_calls 4,
    err_calls 2,
    group_calls 4,
    info_calls 2,
    op_calls 2,
    pack_calls 2,
    topo_calls 4,
    type_calls 2,
}
