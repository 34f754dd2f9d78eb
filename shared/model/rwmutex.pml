/*
 * rwmutex.pml: RWMutex.
 *
 * WORDS
 *   lock      a robust Mutex as in mutex.pml; only writers (and a reaper) take it. Its own
 *             inconsistency is not used: the process that takes it over marks it consistent at once.
 *   flag      a futex: OPEN, WRITER, SUSPECT (a writer died inside), BROKEN (and nobody repaired)
 *   count[s]  a futex per participant slot, on a line of its own, OF THIS RWMutex: how many read
 *             locks the participant in slot s holds. One count for all RWMutexes of a region would
 *             make them wait for each other, and a process for itself.
 *
 * RLOCK, me = own slot
 *   R1  count[me]++ (atomic: the process may hold several), full fence
 *   R2  f = flag.  OPEN: nil.  SUSPECT: ErrOwnerDied, with the read lock held.
 *   R3  else count[me]--, FUTEX_WAKE(count[me], all) if that made it 0.
 *       BROKEN: ErrNotRecoverable.  WRITER: FUTEX_WAIT(flag, WRITER), again from R1
 * RUNLOCK
 *   R4  count[me]--; full fence; if it is 0 and flag = WRITER: FUTEX_WAKE(count[me], all)
 * LOCK
 *   W1  lock
 *   W2  f = flag.  BROKEN: unlock; ErrNotRecoverable.  Private: suspect = f is not OPEN. (WRITER here
 *       means that the last writer died; if it died before W3 or after W5, flag is OPEN and all is well.)
 *   W3  flag = WRITER, full fence
 *   W4  for each slot s: while (c = count[s]) is not 0: FUTEX_WAIT(count[s], c).
 *       Giving up here: W5 with SUSPECT instead of BROKEN.
 *       Then: suspect ? ErrOwnerDied with the lock held : nil.  MarkConsistent: suspect = false.
 * UNLOCK
 *   W5  flag = suspect ? BROKEN : OPEN; FUTEX_WAKE(flag, all)
 *   W6  unlock
 *
 * REPAIR after the death of participant d, by the process that reaps it
 *   X1  count[d] = 0; FUTEX_WAKE(count[d], all)
 *   X2  if lock is marked D and nobody took it yet: take it; if flag = WRITER: flag = SUSPECT; unlock
 *   X3  FUTEX_WAKE(flag, all)
 *
 * PROVED: a writer is alone; what a dead writer left is never read as clean; nobody who lives waits for
 * a dead process; counts are exact after any death.
 */
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define NP 3
#define NONE 9
#define REAPER 8

mtype = { OPEN, WRITER, SUSPECT, BROKEN };

byte owner = NONE;         /* of lock */
bool died;                 /* lock is marked D */
mtype flag = OPEN;
byte count[NP];
bool dead[NP];
bool onflag[NP];           /* asleep on flag */
byte oncount[NP] = NONE;   /* asleep on count[oncount[t]] */
byte restarts = 1;

byte inside = NONE;        /* ghosts: the writer, the readers, the state of the data */
bool reading[NP], dirty;
#define anyreading (reading[0] || reading[1] || reading[2])

#ifdef BUG_SHARED_COUNT
#define SLOT(t) 0
#else
#define SLOT(t) t
#endif

inline wakeflag() { d_step { onflag[0] = false; onflag[1] = false; onflag[2] = false } }
inline wakecount(s) {
	d_step {
		if :: oncount[0] == s -> oncount[0] = NONE :: else fi;
		if :: oncount[1] == s -> oncount[1] = NONE :: else fi;
		if :: oncount[2] == s -> oncount[2] = NONE :: else fi
	}
}

proctype Reader(byte me) {
	byte round; mtype f;
 {
	skip;
again:
#ifdef BUG_NO_RECHECK
	f = flag; count[SLOT(me)]++;
#else
	count[SLOT(me)]++; f = flag;
#endif
	if
	:: atomic { f == OPEN || f == SUSPECT ->
		reading[me] = true; assert(inside == NONE); assert(f == SUSPECT || !dirty) }
		d_step { assert(inside == NONE); reading[me] = false };
		atomic { count[SLOT(me)]--; if :: count[SLOT(me)] != 0 -> goto next :: else fi };
		f = flag;
		if :: f == WRITER -> wakecount(SLOT(me)) :: f != WRITER fi
	:: f == WRITER || f == BROKEN ->
		atomic { count[SLOT(me)]--; if :: count[SLOT(me)] != 0 -> goto wait :: else fi };
#ifndef BUG_NO_WAKE_BACK
		wakecount(SLOT(me));
#endif
wait:		if
		:: atomic { f == BROKEN -> goto next }
		:: f == WRITER
		fi;
		atomic { f = OPEN; onflag[me] = (flag == WRITER) };
		!onflag[me];
		goto again
	fi;
next:	atomic { f = OPEN; round++; if :: round < ROUNDS -> goto again :: else fi }
 } unless { dead[me] };
end:	false
}

proctype Writer(byte me) {
	byte round, s, c;
	bool suspect;
 {
	skip;
again:	atomic { owner == NONE -> owner = me; died = false };
	if
	:: flag == BROKEN -> goto release
	:: flag != BROKEN
	fi;
#ifdef BUG_SILENT_TAKEOVER
	suspect = (flag == SUSPECT);
#else
	suspect = (flag != OPEN);
#endif
	flag = WRITER;
	do
	:: atomic { s == NP -> s = 0; break }
	:: atomic { s < NP -> c = count[s] };
		if
		:: atomic { c == 0 -> s++ }
		:: atomic { c != 0 -> if :: count[s] == c -> oncount[me] = s :: else fi; c = 0 };
			oncount[me] == NONE
		fi
	od;
	atomic { assert(inside == NONE && !anyreading); assert(suspect || !dirty); inside = me; dirty = true };
	d_step { assert(!anyreading && inside == me); inside = NONE };
	if
	:: d_step { dirty = false; suspect = false }	/* done, or repaired and MarkConsistent */
	:: suspect
	fi;
#ifdef BUG_UNLOCK_FIRST
	owner = NONE;
#endif
	flag = (suspect -> BROKEN : OPEN);
	wakeflag();
release:
#ifndef BUG_UNLOCK_FIRST
	owner = NONE;
#endif
	atomic { suspect = false; round++; if :: round < ROUNDS -> goto again :: else fi }
 } unless { dead[me] };
end:	false
}

/* A death, and its reaping. The first reaper may die at any step; then another begins again. */
#define REAPERDIES if :: true :: atomic { restarts > 0 -> restarts--; goto reap } fi;
proctype Death(byte d) {
end:	d_step {
		dead[d] = true;
		reading[d] = false; onflag[d] = false; oncount[d] = NONE;
		if :: inside == d -> inside = NONE :: else fi
	};
	d_step { if :: owner == d -> owner = NONE; died = true :: else fi };
reap:	skip;
#if !defined(BUG_NO_ZERO) && !defined(BUG_SHARED_COUNT)
	count[d] = 0;
	REAPERDIES
	wakecount(d);
#endif
#ifndef BUG_NO_SUSPECT
	atomic {
		if
		:: owner == NONE && died -> owner = REAPER; died = false
		:: else -> goto last
		fi
	};
	if :: true :: atomic { restarts > 0 -> restarts--; owner = NONE; died = true; goto reap } fi;
	if :: flag == WRITER -> flag = SUSPECT :: flag != WRITER fi;
	if :: true :: atomic { restarts > 0 -> restarts--; owner = NONE; died = true; goto reap } fi;
	owner = NONE;
last:	REAPERDIES
	wakeflag();
#endif
end2:	false
}

init {
	byte i;
	atomic {
		if	/* who may be killed, of what: all up to symmetry */
		:: run Reader(0); run Reader(1); run Writer(2)
		:: run Writer(0); run Reader(1); run Writer(2)
		:: run Writer(0); run Reader(1); run Reader(2)
		fi;
		if
		:: skip
		:: run Death(0)
#ifdef PAIRS
		:: run Death(0); run Death(1)
#endif
		fi
	}
}
