/* A node is one recorded call; its output is slot number = node number. The gradient of a slot lives in the node until its backward has run.
 *
 * Who owns a gradient buffer: a node's `grad` may be shared (an add hands the same buffer to both sides), so it is written in place only
 * while this node holds the sole reference; writable_grad() sees to that.
 *
 * With replay on, what an op with `replay` made is not kept for its readers: they hold a ghost, and materialise() has the node write its
 * output anew when the first reader's backward comes. A reader's backward runs before the node's own, so all that the node keeps is there. */
#include "tape/tape.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"

enum { NOWHERE = -1 };

typedef struct node {
  vg_call call;                      /* in[]: owned here, ghosts where backward does not read the data */
  int source[VG_MAX_IN];             /* slot that made in[i], or NOWHERE */
  vg_tensor *leaf[VG_MAX_IN];        /* owned: the parameter behind in[i], or NULL */
  vg_tensor *out;                    /* owned if the op keeps it or has been replayed, else a ghost */
  vg_tensor *grad;                   /* owned */
  unsigned reads;                    /* bit i: backward reads the data of in[i] */
  bool is_wanted;                    /* this backward pass needs the gradient of some input */
} node;

struct vg_tape {
  node *nodes;
  int n, room;
  uint64_t serial;
  bool recording, replays;
};

static atomic_ullong last_serial;

vg_status vg_tape_new(vg_tape **out) {
  vg_tape *t = NULL;
  VG_TRY(VG_NEW(&t));
  t->serial = atomic_fetch_add(&last_serial, 1) + 1;
  t->recording = true;
  *out = t;
  return VG_OK;
}

static void clear_node(node *d) {
  for (int i = 0; i < d->call.n_in; i++) {
    vg_tensor_release(d->call.in[i]);
    vg_tensor_release(d->leaf[i]);
    d->call.in[i] = d->leaf[i] = NULL;
  }
  vg_call_clear(&d->call);
  vg_tensor_release(d->out);
  vg_tensor_release(d->grad);
  d->out = d->grad = NULL;
}

void vg_tape_reset(vg_tape *t) {
  for (int i = t->n - 1; i >= 0; i--) clear_node(&t->nodes[i]);
  t->n = 0;
  t->serial = atomic_fetch_add(&last_serial, 1) + 1;
}

void vg_tape_free(vg_tape *t) {
  if (!t) return;
  vg_tape_reset(t);
  vg_free(t->nodes);
  vg_free(t);
}

void vg_tape_set_recording(vg_tape *t, bool on) { t->recording = on; }
bool vg_tape_is_recording(const vg_tape *t) { return t->recording; }
void vg_tape_set_replay(vg_tape *t, bool on) { t->replays = on; }

bool vg_tape_has(const vg_tape *t, const vg_tensor *x) { return x->tape_serial == t->serial; }

static bool takes_grad(const vg_tape *t, const vg_call *c, int i) {
  return c->in[i] && !(c->op->no_grad_in >> i & 1) && (c->in[i]->wants_grad || vg_tape_has(t, c->in[i]));
}

static vg_status room_for_one(vg_tape *t) {
  if (t->n < t->room) return VG_OK;
  int room = t->room ? 2 * t->room : 64;
  VG_TRY(vg_realloc((void **)&t->nodes, (size_t)room * sizeof *t->nodes));
  t->room = room;
  return VG_OK;
}

static vg_status keep(vg_tensor **out, vg_tensor *x, bool data) {
  if (!data) return vg_tensor_ghost(out, x);
  *out = vg_tensor_retain(x);
  return VG_OK;
}

static bool can_replay(const vg_tape *t, const vg_tensor *x) { return t->replays && vg_tape_has(t, x) && t->nodes[x->tape_slot].call.op->replay; }

/* Fills the next node from a call that has run. `asked` are the inputs as the caller gave them, before shadows took their place. */
static vg_status record(vg_tape *t, vg_call *c, vg_tensor *const *asked, vg_tensor *y) {
  vg_status status = VG_OK;
  node *d = &t->nodes[t->n];
  unsigned wanted = 0, reads = c->op->keeps_in;
  for (int i = 0; i < c->n_in; i++)
    if (asked[i] && !(c->op->no_grad_in >> i & 1) && (asked[i]->wants_grad || vg_tape_has(t, asked[i]))) wanted |= 1u << i;
  if (c->op->reads) reads &= c->op->reads(c, wanted);
  memset(d, 0, sizeof *d);
  d->reads = reads;
  d->call = *c;
  memset(d->call.in, 0, sizeof d->call.in);
  for (int i = 0; i < c->n_in; i++) {
    vg_tensor *x = asked[i];
    d->source[i] = NOWHERE;
    if (!x) continue;
    VG_GOTO(keep(&d->call.in[i], c->in[i], reads >> i & 1 && !can_replay(t, x)));
    if (c->op->no_grad_in >> i & 1) continue;
    if (vg_tape_has(t, x)) d->source[i] = x->tape_slot;
    else if (x->wants_grad) d->leaf[i] = vg_tensor_retain(x);
  }
  VG_GOTO(keep(&d->out, y, c->op->flags & VG_OP_KEEPS_OUT));
  memset(c->saved, 0, sizeof c->saved);       /* now the node's */
  y->tape_serial = t->serial;
  y->tape_slot = t->n++;
  return VG_OK;
done:
  memset(d->call.saved, 0, sizeof d->call.saved);   /* still the caller's */
  clear_node(d);
  return status;
}

vg_status vg_tape_apply(vg_tensor **out, vg_tape *t, vg_call *c) {
  vg_tensor *asked[VG_MAX_IN], *y = NULL;
  bool wanted = false;
  if (c->n_in > VG_MAX_IN) return vg_fail(VG_EARG, "%s: at most %d inputs, got %d", c->op->name, VG_MAX_IN, c->n_in);
  memcpy(asked, c->in, sizeof asked);
  if (t && t->recording && !(c->op->flags & VG_OP_NO_GRAD))
    for (int i = 0; i < c->n_in; i++) wanted |= takes_grad(t, c, i);
  for (int i = 0; i < c->n_in; i++)
    if (c->in[i] && c->in[i]->shadow) c->in[i] = c->in[i]->shadow;
  if (wanted) VG_TRY(room_for_one(t));
  c->wants_backward = wanted;
  vg_status status = vg_op_run(&y, c);
  if (status == VG_OK && wanted) status = record(t, c, asked, y);
  memcpy(c->in, asked, sizeof asked);
  vg_call_clear(c);
  if (status != VG_OK) {
    vg_tensor_release(y);
    return status;
  }
  *out = y;
  return VG_OK;
}

/* --- backward ------------------------------------------------------------------------------------------------------------------------ */

static bool is_listed(const vg_backward_opts *o, const vg_tensor *x) {
  if (!o || !o->only) return true;
  for (int i = 0; i < o->n_only; i++)
    if (o->only[i] == x) return true;
  return false;
}

/* Which nodes lie on a way from a wanted tensor to a loss: only their gradients are computed. */
static void mark_wanted(vg_tape *t, const vg_backward_opts *o) {
  for (int s = 0; s < t->n; s++) {
    node *d = &t->nodes[s];
    d->is_wanted = false;
    for (int i = 0; i < d->call.n_in; i++) {
      if (d->source[i] != NOWHERE) d->is_wanted |= t->nodes[d->source[i]].is_wanted;
      else if (d->leaf[i]) d->is_wanted |= is_listed(o, d->leaf[i]);
    }
  }
  for (int i = 0; o && i < o->n_only; i++)
    if (vg_tape_has(t, o->only[i])) {
      int slot = o->only[i]->tape_slot;
      for (int s = slot; s < t->n; s++) {            /* a wanted slot makes all that is computed from it wanted */
        node *d = &t->nodes[s];
        for (int k = 0; k < d->call.n_in; k++) d->is_wanted |= d->source[k] != NOWHERE && (d->source[k] == slot || t->nodes[d->source[k]].is_wanted);
      }
    }
}

static bool is_only(const vg_tape *t, const vg_backward_opts *o, int slot) {
  for (int i = 0; o && o->only && i < o->n_only; i++)
    if (vg_tape_has(t, o->only[i]) && o->only[i]->tape_slot == slot) return true;
  return false;
}

/* Where the gradient of input i goes: a leaf's grad or a slot's; NULL when nobody wants it. */
static vg_tensor **target(vg_tape *t, const vg_backward_opts *o, node *d, int i) {
  if (d->source[i] != NOWHERE) {
    node *p = &t->nodes[d->source[i]];
    return p->is_wanted || is_only(t, o, d->source[i]) ? &p->grad : NULL;
  }
  return d->leaf[i] && is_listed(o, d->leaf[i]) ? &d->leaf[i]->grad : NULL;
}

static vg_dtype grad_dtype(const node *d, int i) { return d->leaf[i] ? VG_F32 : d->call.in[i]->dtype; }

static vg_status writable_grad(vg_tensor **grad) {
  if (atomic_load(&(*grad)->refs) == 1) return VG_OK;
  vg_tensor *own;
  VG_TRY(vg_tensor_copy(&own, *grad));
  vg_tensor_release(*grad);
  *grad = own;
  return VG_OK;
}

static bool is_empty(const node *d, int i, vg_tensor *const *to) { return !*to || (d->leaf[i] && d->leaf[i]->grad_stale); }

/* add of equal shapes: dout itself is the gradient of each input. */
static vg_status pass_grad(vg_tape *t, const vg_backward_opts *o, node *d) {
  for (int i = 0; i < d->call.n_in; i++) {
    vg_tensor **to = d->call.in[i] ? target(t, o, d, i) : NULL;
    if (!to) continue;
    if (!*to && !d->leaf[i] && d->grad->dtype == d->call.in[i]->dtype) {
      *to = vg_tensor_retain(d->grad);
      continue;
    }
    if (!*to) VG_TRY(vg_tensor_cast(to, d->grad, grad_dtype(d, i)));
    else if (is_empty(d, i, to)) VG_TRY(vg_tensor_assign(*to, d->grad));
    else {
      if (!d->leaf[i]) VG_TRY(writable_grad(to));
      vg_tensor_accumulate(*to, d->grad);
    }
    if (d->leaf[i]) d->leaf[i]->grad_stale = false;
  }
  return VG_OK;
}

static vg_status materialise(vg_tape *t, node *d) {
  for (int i = 0; i < d->call.n_in; i++) {
    vg_tensor *x = d->call.in[i];
    if (!x || x->storage || !(d->reads >> i & 1)) continue;
    node *p = &t->nodes[d->source[i]];
    if (!p->out->storage) {
      vg_tensor *y;
      VG_TRY(materialise(t, p));
      VG_TRY(vg_tensor_like(&y, p->out));
      vg_status s = p->call.op->replay(y, &p->call);
      vg_tensor_release(s == VG_OK ? p->out : y);
      VG_TRY(s);
      p->out = y;
    }
    d->call.in[i] = vg_tensor_retain(p->out);
    vg_tensor_release(x);
  }
  return VG_OK;
}

static vg_status run_backward(vg_tape *t, const vg_backward_opts *o, node *d) {
  vg_status status = VG_OK;
  vg_tensor *din[VG_MAX_IN] = { NULL }, *temporary[VG_MAX_IN] = { NULL };
  vg_tensor **to[VG_MAX_IN] = { NULL };
  unsigned add = 0;
  for (int i = 0; i < d->call.n_in; i++) {
    to[i] = d->call.in[i] ? target(t, o, d, i) : NULL;
    if (!to[i]) continue;
    bool taken = false;                              /* the same tensor twice among the inputs */
    for (int j = 0; j < i; j++) taken |= to[j] == to[i];
    if (!taken && is_empty(d, i, to[i])) {
      if (!*to[i]) {
        VG_GOTO(vg_tensor_new(to[i], grad_dtype(d, i), &d->call.in[i]->shape));
        if (d->leaf[i]) d->leaf[i]->grad_stale = true;      /* until it is written: a backward that fails leaves no numbers to add to */
      }
      din[i] = *to[i];
    } else if (!taken && d->call.op->flags & VG_OP_ACCUMULATES) {
      if (!d->leaf[i]) VG_GOTO(writable_grad(to[i]));
      din[i] = *to[i];
      add |= 1u << i;
    } else {
      VG_GOTO(vg_tensor_new(&temporary[i], grad_dtype(d, i), &d->call.in[i]->shape));
      din[i] = temporary[i];
    }
  }
  VG_GOTO(materialise(t, d));
  d->call.out = d->out;
  VG_GOTO(d->call.op->backward(din, add, d->grad, &d->call));
  for (int i = 0; i < d->call.n_in; i++) {
    if (temporary[i]) {
      if (!d->leaf[i]) VG_GOTO(writable_grad(to[i]));
      vg_tensor_accumulate(*to[i], temporary[i]);
    }
    if (din[i] && d->leaf[i]) d->leaf[i]->grad_stale = false;
  }
done:
  for (int i = 0; i < VG_MAX_IN; i++) vg_tensor_release(temporary[i]);
  return status;
}

static vg_status seed_losses(vg_tape *t, vg_tensor *const *losses, int n, const vg_backward_opts *o) {
  for (int i = 0; i < n; i++) {
    if (!vg_tape_has(t, losses[i]))
      return vg_fail(VG_EARG, "backward: loss %d was not computed under this tape from a tensor that wants a gradient", i + 1);
    vg_tensor **grad = &t->nodes[losses[i]->tape_slot].grad, *seed;
    VG_TRY(vg_tensor_like(&seed, losses[i]));
    vg_status s = VG_OK;
    if (o && o->seeds && o->seeds[i]) s = vg_tensor_assign(seed, o->seeds[i]);
    else vg_tensor_fill(seed, 1);
    if (s == VG_OK && *grad) vg_tensor_accumulate(seed, *grad);
    vg_tensor_release(*grad);
    *grad = seed;
    VG_TRY(s);
  }
  return VG_OK;
}

static vg_status walk_back(vg_tape *t, const vg_backward_opts *o) {
  bool retain = o && o->retain;
  for (int s = t->n - 1; s >= 0; s--) {
    node *d = &t->nodes[s];
    if (d->grad && d->is_wanted) {
      const vg_op *op = d->call.op;
      VG_TRY(op->passes_grad && op->passes_grad(&d->call) ? pass_grad(t, o, d) : run_backward(t, o, d));
    }
    if (is_only(t, o, s)) continue;                  /* its gradient is handed out at the end */
    if (!retain) clear_node(d);
    vg_tensor_release(d->grad);
    d->grad = NULL;
  }
  for (int i = 0; o && i < o->n_only; i++) {
    vg_tensor *x = o->only[i];
    if (!vg_tape_has(t, x)) continue;
    vg_tensor_release(x->grad);
    x->grad = t->nodes[x->tape_slot].grad;
    t->nodes[x->tape_slot].grad = NULL;
  }
  return VG_OK;
}

vg_status vg_tape_backward(vg_tape *t, vg_tensor *const *losses, int n_losses, const vg_backward_opts *opts) {
  mark_wanted(t, opts);
  vg_status s = seed_losses(t, losses, n_losses, opts);
  if (s == VG_OK) s = walk_back(t, opts);
  if (s != VG_OK || !(opts && opts->retain)) vg_tape_reset(t);
  return s;
}
