/*
 * topic.pml: Topic, one publisher at a time, to all subscribers; records of variable length.
 *
 * WORDS  positions count units from the beginning of time; unit p lies in the ring at p mod N.
 *   intent  everything below it may have been written, or be written just now
 *   latest  the start of the newest complete record
 *   tail    the end of the newest complete record
 *   A record starts with its number and its length; numbers count up by one. A record does not cross
 *   the ring's end: a padding record, without a number of its own, fills the rest. The longest record
 *   is at most N/4 (here N/2; what is needed is that the latest record and one more fit: else a dead
 *   publisher's intent can cover the latest record, and a subscriber that was overrun turns for ever).
 *   GATED only, per participant slot: joined, cursor.
 *
 * PUBLISH
 *   T1  lock the topic's robust Mutex. A takeover needs no repair, as T2 and T3 show.
 *   T2  p = tail. The number n is that of the record at latest, plus one; but if latest = tail, then a
 *       dead publisher came as far as T5: n is that number itself, and the record is written again.
 *   T3  intent = max(intent, p+len): never back, since a dead publisher may have written up to its own
 *       intent (I13). Then a store barrier. (GATED: full fence, then for each joined cursor: if
 *       cursor < p+len-N then unlock, sleep on it until it is not, and begin again from T1: to the others
 *       that is as if this publisher had died here.)
 *   T4  write number, length, payload
 *   T5  latest = p            (release. In this order: T2 depends on it.)
 *   T6  tail = p+len          (release); unlock; wake
 * SUBSCRIBE, lossy; c = own cursor, private; x = the number expected next
 *   S1  if tail = c: sleep until it is not
 *   S2  copy the record at c
 *   S3  load barrier; if intent > c+N: overrun: c = latest; again from S1
 *   S4  told how many it lost: number - x. x = number+1; c = c+len.
 * SUBSCRIBE, gated; c = cursor[me]
 *   J   once: cursor = tail; joined = true; full fence; again while intent > cursor+N
 *   S1, S2, then cursor = c+len (release), wake the publisher
 * REPAIR of a dead subscriber, gated: joined = false; wake the publisher. Dead publishers: none, but
 * the robust Mutex's own, and the wake-up of wait.pml.
 *
 * FIXED: the form that Topic[T] has. All messages have one size, which is the unit, so that a message's
 *       number is its position: there is no latest, and T5 falls away. A publisher may write some messages
 *       at once, at most N/4 (here N/2), each of which is a record of its own. S3: c = tail-N/2.
 *
 * PROVED: what a subscriber accepts is one complete published record, in order; the numbers have no
 * gap, so the count of lost records is exact, over takeovers too; gated: nothing is lost, and only live
 * subscribers are waited for.
 */
#ifndef N
#define N 4
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define NONE 9
#define MAXPOS 20

byte intent, latest, tail;
byte unit[N], num[N], size[N];  /* unit: its record's start; num and len lie in the first */
byte owner = NONE;
bool dead[4], joined[2];
byte cursor[2];

byte published;                /* ghost: number of records */
byte truenum[MAXPOS], truelen[MAXPOS];

#ifdef FIXED
#define FIXED_N true
#define NEWER tail - N / 2
#else
#define FIXED_N false
#define NEWER latest
#endif

#ifdef GATED
#define mayfill(s) (!joined[s] || cursor[s] + N >= p + l)
#endif

proctype Publisher(byte me) {
	byte p, l, n, round;
 {
	skip;
again:	atomic { owner == NONE -> owner = me;
		p = tail;
#ifdef BUG_NUMBER
		n = num[latest % N] + (tail -> 1 : 0);
#else
		n = num[latest % N] + (latest == tail -> 0 : 1);
#endif
		if :: l = 1 :: l = 2 fi
	};
#ifndef BUG_INTENT_LATE
#ifdef BUG_INTENT_BACK
	intent = p + l;
#else
	atomic { if :: p + l > intent -> intent = p + l :: else fi };
#endif
#endif
#if defined(GATED) && !defined(BUG_NO_GATE)
	if :: mayfill(0) :: !mayfill(0) -> goto await fi;
	if :: mayfill(1) :: !mayfill(1) -> goto await fi;
#endif
#ifdef BUG_TAIL_FIRST
	tail = p + l;
#endif
	d_step { num[p % N] = n; size[p % N] = l };
	unit[p % N] = p;
#ifdef FIXED
	if :: atomic { l == 2 -> unit[(p + 1) % N] = p + 1 } :: l == 1 fi;
#else
	if :: atomic { l == 2 -> unit[(p + 1) % N] = p } :: l == 1 fi;
#endif
#ifdef BUG_INTENT_LATE
	intent = p + l;
#endif
#ifndef FIXED
	latest = p;
#endif
	d_step { tail = p + l; assert(FIXED_N || n == published); truenum[p] = n; truelen[p] = l; published++ };
	atomic { owner = NONE; p = 0; l = 0; n = 0; round++; if :: round < ROUNDS -> goto again :: else -> goto over fi };
#if defined(GATED) && !defined(BUG_NO_GATE)
await:	owner = NONE;
	mayfill(0);
	mayfill(1);
	goto again;
#endif
over:	skip
 } unless { dead[me] };
end:	false
}

proctype Subscriber(byte me) {
	byte c, x, n, l, first, second;
 {
#ifdef GATED
	do
	:: cursor[me - 2] = tail;
		joined[me - 2] = true;
		if
#ifdef BUG_JOIN_UNCHECKED
		:: break
#else
		:: intent <= cursor[me - 2] + N -> break
		:: intent > cursor[me - 2] + N
#endif
		fi
	od;
	c = cursor[me - 2];
	x = NONE;
#endif
	skip;
again:
end_wait:
	tail != c;
#ifdef FIXED
	d_step { n = c; l = 1 };
	first = unit[c % N];
#else
	d_step { n = num[c % N]; l = size[c % N] };
	first = unit[c % N];
	second = unit[(c + 1) % N];
#endif
#ifndef GATED
	if
#ifdef BUG_NO_SECOND_LOOK
	:: true
#else
	:: intent <= c + N
	:: intent > c + N -> atomic { n = 0; l = 0; first = 0; second = 0; c = NEWER; goto again }
#endif
	fi;
#endif
	atomic {
#ifdef FIXED
		assert(first == c);
#else
		assert(n == truenum[c] && l == truelen[c] && first == c && (l == 1 || second == c));
#endif
#ifdef GATED
		assert(x == NONE || n == x);
		cursor[me - 2] = c + l;
#else
		assert(n >= x);
#endif
		x = n + 1; c = c + l; n = 0; l = 0; first = 0; second = 0;
		goto again
	}
 } unless { dead[me] };
end:	false
}

proctype Death(byte t) {
end:	d_step { dead[t] = true };
	d_step { if :: owner == t -> owner = NONE :: else fi };
#if defined(GATED) && !defined(BUG_DEAD_GATE)
	if :: t >= 2 -> joined[t - 2] = false :: t < 2 fi;
#endif
end2:	false
}

init {
	atomic {
		run Publisher(0); run Publisher(1); run Subscriber(2);
#ifdef TWO_SUBSCRIBERS
		run Subscriber(3);
#endif
		if
		:: skip
		:: run Death(0)
#ifdef GATED
		:: run Death(2)
#endif
		fi
	}
}
