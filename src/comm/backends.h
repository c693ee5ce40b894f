/* The back ends that comm.c chooses from, and how a gang's processes learn which is theirs. */
#ifndef VG_COMM_BACKENDS_H
#define VG_COMM_BACKENDS_H

#include "comm/backend.h"

/* In the environment of a rank: "mpi", or "shm:RANK:RANKS:DESCRIPTOR". */
#define VG_COMM_VARIABLE "VEGA_COMM"

extern const vg_comm_backend vg__comm_single, vg__comm_shm;
/* Loads vega/comm_mpi.so, once. VG_EBACKEND when it or its library is missing. */
VG_CHECKED vg_status vg__comm_load_mpi(const vg_comm_backend **out);

/* Shared memory for `ranks` processes, as a descriptor that closes on exec. It has no name, so that nothing is left over whatever ends. */
VG_CHECKED vg_status vg__comm_shm_new(int *descriptor, int ranks);

#endif
