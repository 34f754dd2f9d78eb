/*
 * mutex.pml: the robust Mutex and its robust owner.
 *
 * WORDS
 *   word   the futex: TID (30 bits) | W (FUTEX_WAITERS) | D (FUTEX_OWNER_DIED), as glibc.
 *          0 is free; TID|W? is held; D|W? (TID 0) is "the owner died, nobody took it yet".
 *          TID is that of the ROBUST OWNER, a thread of the holder's process, whichever thread
 *          or goroutine holds it.
 *   st     OK, INCONSISTENT, BROKEN (glibc keeps it in __owner). Only the holder writes it.
 *   In the robust owner's list, private to the process: linked (the node is in the list)
 *   and pending (list_op_pending). Both change only under lm, the process's own mutex.
 *
 * LOCK
 *   L1  take lm; pending = node
 *   L2  w = word
 *         w = 0    CAS 0 -> TID, or TID|W if this call has slept before: a caller that was woken
 *                  may not have been the only one asleep
 *         w has D  CAS w -> TID|W; this is a takeover
 *         else     another holds it: L5
 *       on success: link the node. pending = 0; release lm. (CAS lost: again from L1.)
 *   L3  takeover only: the BARRIER (below), before anything of the mutex is read or written
 *   L4  st = BROKEN: release as in UNLOCK and answer ErrNotRecoverable.
 *       takeover: st = INCONSISTENT, answer ErrOwnerDied with the lock held. Else nil.
 *   L5  pending = 0; release lm; if W is not set CAS w -> w|W (lost: again from L1);
 *       FUTEX_WAIT(word, w|W); slept = true; again from L1.
 *       A call that gives up (its context) after it has slept first does FUTEX_WAKE(1): it
 *       may have been the one whom an unlock woke.
 * UNLOCK
 *   U1  if st = INCONSISTENT (no MarkConsistent): st = BROKEN
 *   U2  take lm; pending = node; unlink
 *   U3  CAS TID|w -> 0, never a swap: see late threads; if w had W: FUTEX_WAKE(1)
 *   U4  pending = 0; release lm
 * MARKCONSISTENT  st = OK.
 *
 * DEATH. SIGKILL reaches all threads of a process, but they do not stop in one instant:
 *   - A LATE THREAD still runs user code when the robust owner has exited and the kernel has
 *     walked its list: until its processor has taken the interrupt. It may write into data
 *     whose lock is marked D; unlock a lock that another took over (so U3 is a CAS); lock
 *     with the robust owner's TID, which no kernel will mark any more (so the reaper sweeps).
 *   - BARRIER = membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED), for which every participant
 *     registers at attach: when it returns, no thread that was killed before it runs user
 *     code again. The kernel makes the kill pending for all threads before any of them exits.
 *   - A thread that is killed asleep stays in the futex's queue until it has run, and can
 *     swallow a FUTEX_WAKE(1).
 * REPAIR, by the process that reaps the participant (reap.pml), for every mutex of the region:
 *   R1  the barrier; if word has the dead robust owner's TID: CAS w -> (w & W)|D, and FUTEX_WAKE(all).
 *       The slot says the TIDs of all robust owners. One may be another thread's by now: so only if,
 *       after word was read, no thread has it.
 *   R2  FUTEX_WAKE(all)
 *   R3  when the process is gone altogether (its pidfd is readable): FUTEX_WAKE(all) again; the
 *       code waits for that as long as a robust owner is still to be seen, at most 100 ms
 * A participant says in its slot on which locks it sleeps, and R2 is for those; a process that sleeps on a
 * lock watches the others' lives, too, so that one reaps even if all who live sleep on locks.
 * R2 is needed since a wake-up given to a process that is killed before it acts is lost, with
 * list_op_pending or without, and the next holder may not have W: NO_WAKE below. The takeover
 * of a lock whose owner died does not wait for the reaper: the kernel wakes one waiter.
 *
 * PROVED: one holder at a time; unfinished work of a dead holder never passes for clean; a
 * mutex released without MarkConsistent never comes back; no lost wake-up; nothing is stuck;
 * no dead TID stays (I5 and what follows from it).
 */
#ifdef TWO_IN_ONE          /* threads 0 and 1 are of one process, thread 2 of another */
#define NP 2
#define PROC(t) ((t) / 2)
#else                      /* one thread per process */
#define NP 3
#define PROC(t) (t)
#endif
#ifndef NT
#define NT 3
#endif
#ifndef VICTIMS            /* processes 0 to VICTIMS-1 may be killed: as all are alike, any */
#define VICTIMS 1
#endif
#ifndef VICTIMS            /* at most this many processes are killed */
#define VICTIMS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define W 4
#define D 8
#define TIDOF(w) ((w) & 3)
#define TID (p + 1)        /* p's robust owner */
#define NONE 3

mtype = { OK, INCONSISTENT, BROKEN };

byte word;
#ifdef START_BROKEN
mtype st = BROKEN;
#else
mtype st = OK;
#endif
bool linked[NP], pending[NP], lm[NP];

bool asleep[3];            /* in the futex's queue */
bool infutex[3];           /* inside the FUTEX_WAIT call */
byte victims;              /* processes 0 to victims-1 may be killed: as all are alike, any */
bool killed[NP];
bool halted[3];            /* runs no user code any more */
bool gone[3];              /* has left the kernel, too */

byte inside = NONE;        /* ghost: the thread in the critical section */
bool dirty;                /* ghost: the data is half changed */
#ifdef START_BROKEN
bool broken = true;
#else
bool broken;               /* ghost: an unlock without MarkConsistent was completed */
#endif

#define all(how) ((!killed[PROC(0)] || how[0]) && (!killed[PROC(1)] || how[1]) && (NT == 2 || !killed[PROC(2)] || how[2]))

inline wake1() {
	if
	:: asleep[0] -> asleep[0] = false
	:: asleep[1] -> asleep[1] = false
	:: asleep[2] -> asleep[2] = false
	:: !asleep[0] && !asleep[1] && !asleep[2]
	fi
}
inline wakeall() { d_step { asleep[0] = false; asleep[1] = false; asleep[2] = false } }

/* A kill between two steps, of which others see at most one: with LATE threads an ordinary place
 * between two steps, else (far fewer states) the choice to be killed just here. */
#ifdef LATE
#define KILLPOINT }; atomic {
#define KILL(p)   killed[p] = true
#else
#define KILLPOINT if :: true :: p < victims && !killed[p] -> KILL(p); goto end_dead fi;
#define KILL(p)   killed[p] = true; HALT(0, p); HALT(1, p); HALT(2, p)
#endif
#define HALT(t, p) if :: PROC(t) == p -> halted[t] = true; if :: inside == t -> inside = NONE :: else fi :: else fi

#ifdef BUG_NO_PENDING
#define PENDING(b)
#else
#define PENDING(b) pending[p] = b;
#endif
#ifdef BUG_NO_LOCAL_MUTEX
#define ENTER
#define LEAVE
#else
#define ENTER !lm[p]; lm[p] = true;
#define LEAVE lm[p] = false;
#endif

inline unlock() {
	atomic {
		ENTER PENDING(true)
		KILLPOINT
		linked[p] = false;
		KILLPOINT
#ifdef BUG_SWAP_UNLOCK
		w = word; word = 0; assert(TIDOF(w) == TID || killed[p]);
#else
		w = word; if :: TIDOF(w) == TID -> word = 0 :: else -> assert(killed[p]); w = 0 fi;
#endif
		KILLPOINT
		if :: !(w & W) -> PENDING(false) LEAVE goto done :: else fi
	};
	atomic { wake1(); KILLPOINT PENDING(false) LEAVE };
done:	skip
}

proctype Thread(byte t; byte p) {
	byte w, round;
	bool slept, took;
 {
	skip;
again:	atomic {
		ENTER PENDING(true)
		KILLPOINT
		w = word;
		if
#ifdef BUG_FORGET_WAITERS
		:: w == 0 -> word = TID
#else
		:: w == 0 -> word = TID | (slept -> W : 0)
#endif
		:: w & D -> word = TID | W
		:: else -> PENDING(false) LEAVE goto held
		fi;
		took = ((w & D) != 0); w = 0; slept = false;
		KILLPOINT
#ifdef BUG_LINK_LATE
		PENDING(false) KILLPOINT linked[p] = true; LEAVE
#else
		linked[p] = true; KILLPOINT PENDING(false) LEAVE
#endif
		KILLPOINT
#ifndef BUG_NO_BARRIER
		if :: !took :: took && all(halted) fi;
#endif
		if
#ifdef BUG_SILENT_TAKEOVER
		:: st != BROKEN -> took = false
#else
		:: st != BROKEN && took -> st = INCONSISTENT
		:: st != BROKEN && !took
#endif
#ifdef BUG_HEAL_BROKEN
		:: st == BROKEN && took -> st = INCONSISTENT
		:: st == BROKEN && !took -> goto release
#else
		:: st == BROKEN -> goto release
#endif
		fi
	};
	atomic { assert(inside == NONE); assert(!broken); assert(took || !dirty); inside = t; dirty = true };
	atomic {
		inside = NONE;
		if
		:: dirty = false	/* done; or, after a takeover, repaired */
		:: took			/* a takeover that repairs nothing */
		fi;
		KILLPOINT
		if
		:: took && !dirty -> st = OK; took = false	/* MarkConsistent */
		:: took && dirty -> st = BROKEN			/* U1 */
		:: else
		fi
	};
release:
	unlock();
	atomic {
		if :: took -> broken = true; took = false :: else fi;
		round++;
		if :: round < ROUNDS -> goto again :: else -> goto end_dead fi
	};
held:	atomic {
		if
		:: word == w -> word = w | W; w = w | W; infutex[t] = true
		:: else -> goto again
		fi
	};
	atomic { asleep[t] = (word == w); w = 0 };
	if
	:: atomic { !asleep[t] -> infutex[t] = false; slept = true; goto again }
#ifdef CANCEL
	:: atomic { t == 2 -> asleep[t] = false; infutex[t] = false;	/* gives up, woken or not */
#ifndef BUG_CANCEL_NO_WAKE
		wake1()
#endif
		}
#endif
	fi
 } unless { halted[t] };
end_dead:
	false
}

/* What the kernel does for a process that is killed: at any instant, its threads in any order. */
#define STOP(t) \
	:: d_step { PROC(t) == p && !halted[t] -> HALT(t, p) } \
	:: d_step { PROC(t) == p && halted[t] && !gone[t] && infutex[t] && !asleep[t] -> asleep[t] = true } \
	:: d_step { PROC(t) == p && halted[t] && !gone[t] -> gone[t] = true; asleep[t] = false }

proctype Kernel(byte p) {
	byte step, w; bool op;
end:	if
	:: d_step { !killed[p] -> KILL(p) }
	:: killed[p]
	fi;
end2:	do
	:: d_step { step == 0 -> op = pending[p]; step++ }	/* the robust owner exits */
	:: d_step { step == 1 ->				/* walks its list */
		w = word;
		if
		:: linked[p] && !op && TIDOF(w) == TID -> word = (w & W) | D; step = (w & W -> 2 : 3)
		:: else -> step = 3
		fi; w = 0 }
	:: atomic { step == 2 -> wake1(); step++ }
	:: d_step { step == 3 ->				/* and list_op_pending */
		w = word;
		if
		:: op && TIDOF(w) == TID -> word = (w & W) | D; step = (w & W -> 4 : 5)
		:: op && TIDOF(w) == 0 -> step = 4
		:: else -> step = 5
		fi; w = 0; op = false }
	:: atomic { step == 4 -> wake1(); step++ }
	STOP(0)
	STOP(1)
	STOP(2)
	od
}

/* The reaping of p by some participant that lives, after the kernel has marked p's slot. A reaper
 * that is killed half way did a prefix of this, and another does all of it again. */
proctype Reaper(byte p) {
end:	atomic { killed[p] && all(halted) };
#ifndef NO_SWEEP
	d_step { if :: TIDOF(word) == TID -> word = (word & W) | D :: else fi };
#endif
#ifndef NO_WAKE
	wakeall();
	all(gone);
#ifndef BUG_ONE_WAKE
	wakeall();
#endif
#endif
#ifndef NO_SWEEP
	assert(TIDOF(word) != TID);
#endif
end2:	false
}

init {
	byte i;
	atomic {
		for (i : 0 .. NT - 1) { run Thread(i, PROC(i)) };
		if :: skip :: victims = VICTIMS fi;
		if :: victims > 0 -> run Kernel(0); run Reaper(0) :: else fi;
		if :: victims > 1 -> run Kernel(1); run Reaper(1) :: else fi
	}
}
