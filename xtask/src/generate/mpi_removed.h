
/* ---- What MPI-3 removed and programs still call, by what it was replaced with; none of it is in the ABI.
 *      MPI_LB and MPI_UB are handles of mana's own. A program's own definitions of these names come first. */

#ifndef MPI_LB
#define MPI_LB ((MPI_Datatype)0x2fe)
#endif
#ifndef MPI_UB
#define MPI_UB ((MPI_Datatype)0x2ff)
#endif

typedef MPI_Comm_errhandler_function MPI_Handler_function;

#ifndef MPI_Address
#define MPI_Address MPI_Get_address
#endif
#ifndef MPI_Type_hindexed
#define MPI_Type_hindexed MPI_Type_create_hindexed
#endif
#ifndef MPI_Type_hvector
#define MPI_Type_hvector MPI_Type_create_hvector
#endif
#ifndef MPI_Type_struct
#define MPI_Type_struct MPI_Type_create_struct
#endif
#ifndef MPI_Errhandler_create
#define MPI_Errhandler_create MPI_Comm_create_errhandler
#endif
#ifndef MPI_Errhandler_get
#define MPI_Errhandler_get MPI_Comm_get_errhandler
#endif
#ifndef MPI_Errhandler_set
#define MPI_Errhandler_set MPI_Comm_set_errhandler
#endif

static inline int mana_removed_type_extent(MPI_Datatype datatype, MPI_Aint *extent) {
    MPI_Aint lb;
    return MPI_Type_get_extent(datatype, &lb, extent);
}

static inline int mana_removed_type_lb(MPI_Datatype datatype, MPI_Aint *displacement) {
    MPI_Aint extent;
    return MPI_Type_get_extent(datatype, displacement, &extent);
}

static inline int mana_removed_type_ub(MPI_Datatype datatype, MPI_Aint *displacement) {
    MPI_Aint lb;
    int code = MPI_Type_get_extent(datatype, &lb, displacement);
    if (code == MPI_SUCCESS) *displacement += lb;
    return code;
}

#ifndef MPI_Type_extent
#define MPI_Type_extent mana_removed_type_extent
#endif
#ifndef MPI_Type_lb
#define MPI_Type_lb mana_removed_type_lb
#endif
#ifndef MPI_Type_ub
#define MPI_Type_ub mana_removed_type_ub
#endif
