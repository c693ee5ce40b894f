/* A thread that keeps what a worker holds: every lease/4 it renews the leases of its trials and the strategy's, over a connection of its own,
 * and reaps what others have lost. A trial is fenced when the store says so, or when no renewal succeeded for lease - margin by this machine's
 * CLOCK_BOOTTIME: after a freeze, or cut off from the store, a worker finds out before somebody else can have been given the trial.
 * A keeper belongs to the thread that started it. Private stores ("mem:") have no second connection and need no keeper. */
#ifndef VG_STORE_KEEPER_H
#define VG_STORE_KEEPER_H

#include "store/protocol.h"

typedef struct vg_keeper vg_keeper;

/* worker_id: a row of `worker` whose last_seen is kept fresh, or NULL. backoff_s as vg_store_set_backoff. VG_EARG for "mem:", else as
 * vg_store_open. */
VG_CHECKED vg_status vg_keeper_start(vg_keeper **out, const char *url, const char *worker_id, double lease_s, double backoff_s);
void vg_keeper_stop(vg_keeper *k);   /* joins the thread; leases stay as they are. NULL is fine */

/* claimed_at: vg_keeper_now() from before the claim was sent, or the lead taken. At most VG_MOST_CLAIMS trials. */
VG_CHECKED vg_status vg_keeper_hold(vg_keeper *k, int64_t trial_id, int64_t epoch, double claimed_at);
void vg_keeper_drop(vg_keeper *k, int64_t trial_id);
/* Must the trial be given up? Also 1 for one that is not held. Reads no store: as cheap as a lock. */
int vg_keeper_is_fenced(vg_keeper *k, int64_t trial_id);
/* The trial's time: unless it is dropped within `seconds` from now, the keeper's thread writes that it failed by cause "timeout", gives back what else is
 * held and ends the process with VG_TIMED_OUT, whatever its other threads are at. 0: no limit any more. */
enum { VG_TIMED_OUT = 124 };
void vg_keeper_limit(vg_keeper *k, int64_t trial_id, double seconds);
/* One study's lead; epoch 0: none any more. vg_keeper_leads = 0: it is lost. */
void vg_keeper_lead(vg_keeper *k, int64_t study_id, int64_t epoch, double taken_at);
int vg_keeper_leads(vg_keeper *k);
/* Rounds that succeeded, and the text of the last one that did not ("" when none failed since), cut at `room` bytes. */
int64_t vg_keeper_rounds(vg_keeper *k, char *failure, size_t room);
double vg_keeper_now(void);          /* seconds of CLOCK_BOOTTIME */

#endif
