/*
 * wait.pml: sleeping and waking, the eventcount under Chan, Topic, Var.Watch, RWMutex.
 *
 * WORD  one 32-bit futex: seq << 1 | S. S says "a process sleeps, or is about to". (Flag and
 *       sequence in one word: a flag beside the sequence can be cleared for a sleeper that has
 *       not yet read the sequence, which then sleeps with the flag off.)
 *
 * SLEEP until a condition holds (any condition; several kinds of sleepers share one word)
 *   S1  condition? done. (For speed only.)
 *   S2  w = word|S by an atomic or
 *   S3  condition? done. S stays on: it costs one useless wake-up, later.
 *   S4  FUTEX_WAIT(word, w); again from S2
 * A sleeper that gives up just leaves.
 *
 * WAKE
 *   W1  publish: make the condition true (all stores)
 *   W2  full fence (store before load: the only one; once per batch)
 *   W3  w = word; if S is off: done, no system call
 *   W4  CAS w -> w+1, which turns S off and counts (lost: another waker did it: done)
 *   W5  FUTEX_WAKE(word, all). Never one: it can reach a process that is dead and still in the
 *       queue, or that dies before it acts.
 *
 * REPAIR, by the process that reaps a participant, for every such word of the region: word = (word|S)+1,
 * FUTEX_WAKE(all). A waker may have died between W1 and W5. A dead sleeper needs no repair.
 *
 * PROVED: a process that lives and waits for a condition that holds is awake, though two of the
 * processes die at any instant, sleepers or wakers.
 *
 * A waker that is stopped (SIGSTOP) between W4 and W5 keeps those who slept then asleep until it
 * goes on, though others publish; a process that goes to sleep after W4 is woken by the others.
 */
#define S 1
#define NS 2            /* sleepers 0 and 1; sleeper t waits for avail[t] */
#define NW 2            /* wakers: participants 2 and 3 */
#ifndef ROUNDS
#define ROUNDS 1
#endif

byte word, avail[NS];
bool asleep[NS];
bool dead[NS + NW], over[NS + NW];
byte counter;
#define quiet ((dead[2] || over[2]) && (dead[3] || over[3]))

inline wakeall() { d_step { asleep[0] = false; asleep[1] = false } }
inline wake1() {
	atomic {
		if
		:: asleep[0] -> asleep[0] = false
		:: asleep[1] -> asleep[1] = false
		:: !asleep[0] && !asleep[1]
		fi
	}
}

proctype Sleeper(byte t) {
	byte w, round;
 {
	skip;
again:
#ifdef BUG_COUNTER_WAITERS	/* a count of sleepers, of which the waker takes one */
	atomic { w = word; counter++ };
	if
	:: d_step { avail[t] > 0 -> avail[t]--; if :: counter > 0 -> counter-- :: else fi }; goto got
	:: avail[t] == 0
	fi;
#else
	atomic { w = word | S; word = w };
#ifdef BUG_NO_RECHECK
	if :: d_step { avail[t] > 0 -> avail[t]-- }; goto got :: true fi;
#else
	if :: d_step { avail[t] > 0 -> avail[t]-- }; goto got :: avail[t] == 0 fi;
#endif
#endif
	d_step { asleep[t] = (word == w); w = 0 };
	if
	:: !asleep[t] -> goto again
	:: quiet && avail[t] == 0 -> goto end_done	/* rightly asleep: nothing will come */
	fi;
got:	skip;
#if ROUNDS > 1
	atomic { w = 0; round++; if :: round < ROUNDS -> goto again :: else fi }
#endif
 } unless { dead[t] };
end_done:
	false
}

proctype Waker(byte t) {
	byte w, round;
 {
	skip;
again:
#ifdef BUG_NO_FENCE
	w = word;
#endif
	avail[t - NS]++;
#ifdef BUG_COUNTER_WAITERS
	word = word + 2;
	d_step { if :: counter > 0 -> counter--; w = S :: else -> w = 0 fi };
	if :: w & S -> wake1() :: !(w & S) fi;
#else
#ifndef BUG_NO_FENCE
	w = word;
#endif
	if
	:: w & S ->
#ifdef BUG_CLEAR_AFTER_WAKE
		wakeall(); word = (word | S) + 1
#else
#ifdef BUG_NO_COUNT
		word = w - S;
#else
		d_step { if :: word == w -> word = w + 1 :: else -> w = 0 fi };
#endif
#ifdef BUG_WAKE_ONE
		wake1()
#else
		if :: w & S -> wakeall() :: !(w & S) fi
#endif
#endif
	:: !(w & S)
	fi;
#endif
	d_step { w = 0; round++; over[t] = (round == ROUNDS) };
	if :: round < ROUNDS -> goto again :: else fi
 } unless { dead[t] };
end_done:
	false
}

/* Death of one participant, and its reaping by another. */
proctype Death(byte t) {
end:	d_step { !over[t] -> dead[t] = true };
	if :: atomic { t < NS -> asleep[t] = false } :: t >= NS fi;	/* leaves the futex's queue */
#ifndef NO_REPAIR
	word = (word | S) + 1;
	wakeall();
#endif
end2:	false
}

init {
	byte i;
	atomic {
		for (i : 0 .. NS - 1) { run Sleeper(i) };
		for (i : NS .. NS + NW - 1) { run Waker(i) };
		if	/* who may be killed: all sets that leave a sleeper, but for symmetry */
		:: skip
		:: run Death(0)
		:: run Death(2)
#ifdef PAIRS
		:: run Death(0); run Death(2)
		:: run Death(2); run Death(3)
#endif
		fi
	}
}
