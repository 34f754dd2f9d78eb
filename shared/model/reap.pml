/*
 * reap.pml: participants: attach, watch, reap, detach.
 *
 * WORDS, per slot
 *   word   a robust lock word as in mutex.pml, in its robust owner's list: 0 free, TID|W alive,
 *          TID|W of another process: that one reaps, D: the owner died. W is always set while held, so
 *          that the kernel wakes a watcher at the owner's exit.
 *   inc    the incarnation; (slot, inc) is the owner id that structures may store. It never repeats (I2).
 *   pid, start time, the TIDs of all its robust owners, uid, name, flags: written after the word is taken.
 * and one futex gen for the region, which counts attaches.
 *
 * The WATCHER of a process is its robust owner: the very thread whose robust list holds the slot's word.
 * So it has left every futex's queue when the kernel marks its words; a thread of its own could still
 * stand in the queue then, killed, and swallow the one wake-up of another death (BUG_SEPARATE_WATCHER).
 * Several robust owners (I7): the first watches.
 *
 * ATTACH
 *   A1  register for the barrier (mutex.pml). For each slot: D: reap it; 0: CAS 0 -> TID|W, as in LOCK.
 *       None free: error.
 *   A2  id = (slot, inc); fill in pid and the rest
 *   A3  gen++; FUTEX_WAKE(gen, all). Only from here on may the process touch any structure: before,
 *       nobody watches it, and its death can stay unnoticed until another looks.
 * WATCH, the robust owner, for ever
 *   G1  g = gen
 *   G2  read every slot's word; D: reap it, then again from G1
 *   G3  FUTEX_WAITV on gen = g and on each live word = what G2 saw (each of them shared); again from G1.
 *       At most 128 futexes: beyond that, gen and the next 127 live slots after one's own.
 *       Without futex_waitv (before 5.16): FUTEX_WAIT on gen with a timeout, say 100 ms.
 *   The kernel wakes one watcher per death. If that one dies before it is done, its own death wakes
 *   another, who looks at all slots.
 * REAP slot s, by a robust owner or by a process that attaches (I3)
 *   Z1  CAS word D -> own TID|W, as a LOCK that is a takeover, with barrier. Lost: another does it.
 *       So one at a time reaps a slot: that is why a slot number is enough where a cell has no room.
 *   Z2  all recoveries for (s, inc): the mutexes (mutex.pml R1, R2), RWMutexes, Chans, Topics, wake-ups
 *   Z3  when the process is gone altogether (pidfd): mutex.pml R3, and R1 for locks whose TID was still
 *       to be seen. May be left out if the pid is reused.
 *   Z4  inc++
 *   Z5  word = 0, as UNLOCK
 *   A reaper that dies leaves the word D: the next one does all of it again (I4). After Z4 that is for
 *   an id that nobody ever had.
 * DETACH: own recoveries, Z4, Z5.
 *
 * PROVED: every death is reaped if an attached process lives, though the reaper dies, and without
 * polling; nobody's claim is taken from him while he lives; ids never repeat; a live process's word
 * carries its robust owner's TID (I1).
 */
#ifndef NS
#define NS 3               /* slots */
#endif
#define NP 3               /* processes: 0 and 1 are attached from the start, 2 attaches */
#define D 8
#define TID (p + 1)

byte word[NS], inc[NS], gen;
byte claim;                /* a structure: 0, or the owner id of the process that works in it */
#define ID(s, i) (1 + s + 4 * (i))

bool dead[NP];
bool asleep[NP];           /* robust owners in futex_waitv */
byte mask[NP];             /* the slots whose words they wait on */
byte used[NS];             /* ghost: ids that were given out */

#define live(w) (w != 0 && w != D)

inline wake1(s) {
	if
	:: asleep[0] && (mask[0] & 1 << s) -> asleep[0] = false
	:: asleep[1] && (mask[1] & 1 << s) -> asleep[1] = false
	:: asleep[2] && (mask[2] & 1 << s) -> asleep[2] = false
	:: else
	fi
}

inline reap(s) {
#ifdef BUG_NO_TAKE
	if :: word[s] == D :: word[s] != D -> goto again fi;
#else
	if :: atomic { word[s] == D -> word[s] = TID } :: word[s] != D -> goto again fi;
#endif
#if defined(BUG_FREE_FIRST)
	i = inc[s];
	d_step { inc[s]++; word[s] = 0 };
	d_step { if :: claim == ID(s, i) -> claim = 0 :: else fi; i = 0 };
#elif defined(BUG_INC_FIRST)
	i = inc[s];
	inc[s]++;
	d_step { if :: claim == ID(s, i) -> claim = 0 :: else fi; i = 0 };
	word[s] = 0;
#else
	d_step { if :: claim == ID(s, inc[s]) -> claim = 0 :: else fi };
#ifndef BUG_NO_INC
	inc[s]++;
#endif
	word[s] = 0;
#endif
	goto again
}

proctype User(byte p) {
	byte s, id, i;
 {
	skip;
	if :: p == 0 -> goto attached :: p == 2 fi;
again:	s = 0;
end_full:			/* no slot is free: an error, in truth */
	if
	:: atomic { word[0] == 0 -> word[0] = TID }
	:: atomic { word[1] == 0 -> word[1] = TID; s = 1 }
	:: word[0] == D -> reap(0)
	:: word[1] == D -> s = 1; reap(1)
#if NS == 3
	:: atomic { word[2] == 0 -> word[2] = TID; s = 2 }
	:: word[2] == D -> s = 2; reap(2)
#endif
	fi;
attached:
	atomic {
		id = ID(s, inc[s]);
		assert(!(used[s] & 1 << inc[s]));
		used[s] = used[s] | 1 << inc[s]
	};
	if :: p == 0 -> goto work :: p == 2 fi;
	run RobustOwner(p);
#ifndef BUG_NO_GEN
	gen++;
	d_step { asleep[0] = false; asleep[1] = false; asleep[2] = false };
#endif
work:
	atomic { claim == 0 -> claim = id };
	d_step { assert(claim == id && word[s] == TID); claim = 0 };
	assert(word[s] == TID)
 } unless { dead[p] };
end:	false
}

proctype RobustOwner(byte p) {
	byte g, i, s, w[NS];
 {
	skip;
again:	atomic { s = 0; g = gen };
	atomic {
		if
		:: word[0] == D -> s = 0; goto dies
		:: word[1] == D -> s = 1; goto dies
#if NS == 3
		:: word[2] == D -> s = 2; goto dies
#endif
		:: else
		fi;
		for (i : 0 .. NS - 1) { w[i] = word[i] };
		i = 0
	};
	atomic {
		asleep[p] = (gen == g && (!live(w[0]) || word[0] == w[0]) && (!live(w[1]) || word[1] == w[1])
#if NS == 3
			&& (!live(w[2]) || word[2] == w[2])
#endif
		);
		mask[p] = 0;
		for (i : 0 .. NS - 1) { if :: live(w[i]) -> mask[p] = mask[p] | 1 << i :: else fi; w[i] = 0 };
		i = 0; g = 0
	};
end_asleep:
	atomic { !asleep[p] -> mask[p] = 0 };
	goto again;
dies:	reap(s)
 } unless { dead[p] };
end:	false
}

proctype Death(byte p) {
	byte s;
end:	d_step { dead[p] = true };
#ifndef BUG_SEPARATE_WATCHER
	asleep[p] = false;		/* out of the system call, out of the queues */
#endif
	do
	:: s == NS -> break
	:: atomic { s < NS && word[s] == TID -> word[s] = D; wake1(s); s++ }
	:: atomic { s < NS && word[s] != TID -> s++ }
	od;
#ifdef BUG_SEPARATE_WATCHER
	asleep[p] = false;
#endif
end2:	false
}

init {
	atomic {
		word[0] = 1; word[1] = 2;
#ifdef START_DEAD		/* 0 has died with a claim, and 1 was woken */
		word[0] = D; claim = ID(0, 0); used[0] = 1; dead[0] = true;
#else
		run User(0); run RobustOwner(0);
#endif
		run RobustOwner(1);		/* 1 only watches */
		run User(2);
#ifdef KILL0
		run Death(0);
#endif
#ifdef KILL1
		run Death(1);
#endif
#ifdef KILL2
		run Death(2);
#endif
		skip
	}
}
