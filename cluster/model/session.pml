/*
 * session.pml: a lock of one, as semchange.go, semwatch.go and session.go have it.
 *
 * WORDS
 *   entry     the set: value, and for each session whether it is in and what it holds. Written
 *             whole, by compare-and-swap on its revision.
 *   lease     of a session, a message that the servers drop L after they stored it
 *   slot      a message to the servers, with an ID: it may be sent twice, come late, in any order,
 *             or never; its answer may be lost. The servers store an ID once.
 *
 * A CLIENT
 *   S1  its lease is written; it relies on it until L after it SENT that. S2 Renewed, likewise.
 *   C1  read the entry.  C2 Not in, and it never was, nor may have been: put it in. Not in, but it
 *       was, or may have been: it has ended; nothing is written.
 *   C3  swap. Refused at the first try: it was not done; again from C1. Refused later: the servers
 *       know whether they have the ID. No answer: in may be so, and what was done is unknown.
 *   C4  done after its own time is over: taken for lost.
 * A WAITER, when the servers' clock went BACK: a lease then lasts for as long as that is behind.
 *   E1  hears of a lease, late perhaps.  E2 Two leases later, by its own clock: ends it, by compare-and-swap on the
 *       lease's revision. Its session has lost it by its own clock before, and does not renew it.
 * A REAPER
 *   R1  read the entry. A session that is in and has no lease: swap an entry without it, with
 *       what it held given back.
 *
 * PROVED: value and holds are one together in every revision, and no hold is less than nothing; a session that was ended is never in
 * again; two clients never both hold, each within its own time.
 */
#ifndef TURNS
#define TURNS 2
#endif
#ifndef T
#define T 3
#endif
#define NC 2
#define TRIES(c) (2 - c)         /* of the second client all comes in time, or never */
#ifndef L
#define L 2
#endif
#define SLOTS 3               /* two of one client, one of the other */
#define ZERO 2                /* holds are counted from here: a defect makes less than nothing */

mtype = { NOTHING, STORED, REFUSED };

byte t;                       /* time */
byte rev, value = 1;          /* the entry */
bool in[NC]; byte hold[NC] = ZERO;
byte lease[NC];               /* until when the servers keep it */
byte until[NC];               /* until when its client relies on it */
bool holds[NC];               /* ghosts: the client knows so; the session was ended */
bool left[NC];
#ifdef BACK
bool ended[NC];               /* a lease, by a waiter */
byte written[NC];             /* its revision; 0: it is not written */
#define LEASE(c) (!ended[c])      /* it does not end by itself */
#define WRITE(c) lease[c] = t + L; written[c]++
#ifdef BUG_SOON
#define WAIT 0
#else
#define WAIT 2 * L
#endif
#else
#define LEASE(c) (t < lease[c])
#define WRITE(c) lease[c] = t + L
#endif

byte copies[SLOTS];           /* of a message that are on their way */
bool has[SLOTS];              /* the servers have its ID */
mtype answer[SLOTS];
byte m_rev[SLOTS], m_value[SLOTS], m_hold0[SLOTS], m_hold1[SLOTS];
bool m_in0[SLOTS], m_in1[SLOTS];

#ifdef BUG_RETRY
#define STORES(s) true
#else
#define STORES(s) !has[s]
#endif

inline audit() {
	assert(value + hold[0] + hold[1] == 1 + 2 * ZERO && hold[0] >= ZERO && hold[1] >= ZERO);
	assert(!(left[0] && in[0]) && !(left[1] && in[1]));
	assert(!(holds[0] && t < until[0] && holds[1] && t < until[1]));
}

active proctype Clock() {
end:	do
	:: t < T -> t++
	:: t == T -> break
	od
}

inline deliver(s) {
	d_step { copies[s] > 0 ->
		copies[s]--;
		if
#ifndef BUG_RETRY
		:: has[s] -> answer[s] = STORED
#endif
#ifndef BUG_NO_CAS
		:: STORES(s) && m_rev[s] != rev -> answer[s] = REFUSED
#endif
		:: else ->
			has[s] = true; rev++;
			value = m_value[s]; in[0] = m_in0[s]; in[1] = m_in1[s]; hold[0] = m_hold0[s]; hold[1] = m_hold1[s];
			audit();
			answer[s] = STORED
		fi
	}
}

/* The servers take any message that is on its way, when they like. A client that does not wait
 * for the answer is one whose answer is lost. */
active proctype Servers() {
end:	do
	:: deliver(0)
	:: deliver(1)
	:: deliver(2)
	od
}

proctype Client(byte c) {
	byte s, tries, sent, turns = TURNS;
	bool entered, renewed;
	short what = -1;              /* it takes, gives, and takes again */
	sent = t;
#ifndef BUG_ORDER
	atomic { WRITE(c) };
#endif
#ifdef BUG_CLOCK
	until[c] = t + L;
#else
	until[c] = sent + L;          /* S1 */
#endif
again:	atomic {                      /* C1 */
		if
		:: copies[2*c] == 0 -> s = 2*c
		:: copies[2*c] > 0 && c == 0 && copies[1] == 0 -> s = 1
		:: else -> goto over  /* it has too much on its way for this model */
		fi;
		has[s] = false; answer[s] = NOTHING; tries = 0;
		m_rev[s] = rev;
		m_in0[s] = in[0] || c == 0; m_in1[s] = in[1] || c == 1;
		m_hold0[s] = hold[0]; m_hold1[s] = hold[1];
		if
		:: value + what < 0 -> goto unknown /* it is not there */
		:: else -> m_value[s] = value + what
		fi;
		if
		:: c == 0 -> m_hold0[s] = hold[0] - what
		:: else -> m_hold1[s] = hold[1] - what
		fi;
#ifndef BUG_LATE
		if
		:: !in[c] && entered -> goto lost /* C2 */
		:: else
		fi
#endif
	}
	do                            /* C3 */
	:: atomic { tries < TRIES(c) -> copies[s]++; tries++ }
	:: atomic { answer[s] == STORED -> entered = true; break }
	:: atomic { tries == 1 && answer[s] == REFUSED -> goto again }
	:: atomic { tries == 2 && answer[s] == REFUSED ->
#ifndef BUG_RETRY
		if
		:: has[s] -> entered = true; break
		:: else
		fi;
#endif
		copies[s] = 0;        /* there is a later revision: it cannot be stored any more */
		goto again }
	:: atomic { tries == TRIES(c) ->
#ifndef BUG_UNKNOWN
		entered = true;
#endif
		goto unknown }
	od;
	atomic {
		if
		:: copies[s] == 0 -> m_rev[s] = 0; m_value[s] = 0; m_hold0[s] = 0; m_hold1[s] = 0; m_in0[s] = false; m_in1[s] = false
		:: else
		fi;
		answer[s] = NOTHING; tries = 0;
		if
		:: what == 1 -> what = -1; goto next
		:: what == -1 && t < until[c] -> holds[c] = true; audit(); what = 1
		:: else -> goto lost  /* C4 */
		fi
	}
#ifdef BUG_ORDER
	atomic { WRITE(c) };
#endif
	sent = t;
	if
	:: true
	:: atomic { c == 0 && !renewed && LEASE(c) && sent < until[c] -> renewed = true; WRITE(c); until[c] = sent + L; audit() } /* S2 */
	fi;
	sent = 0;
	if
	:: c == 0 -> atomic { holds[c] = false; goto again }
	:: else -> goto over          /* it holds until its lease ends */
	fi;
unknown:
	if
	:: atomic { what == 1 -> goto over }
	:: else
	fi;
next:	atomic {
		turns--;
		if
		:: turns > 0 -> goto again
		:: else
		fi
	};
	goto over;
lost:	holds[c] = false;
over:	skip
}

proctype Reaper() {
	byte r, v;
	bool dead0, dead1;
end:	do
	:: atomic {                   /* R1 */
		in[0] && !LEASE(0) || in[1] && !LEASE(1) ->
		dead0 = in[0] && !LEASE(0); dead1 = in[1] && !LEASE(1);
		r = rev; v = value
	   };
	   atomic {
		if
#ifdef BUG_NO_CAS
		:: true ->
#else
		:: r == rev ->
#endif
			rev++; value = v;
			if
			:: dead0 -> value = value + hold[0] - ZERO; hold[0] = ZERO; in[0] = false; left[0] = true
			:: else
			fi;
			if
			:: dead1 -> value = value + hold[1] - ZERO; hold[1] = ZERO; in[1] = false; left[1] = true
			:: else
			fi;
			audit()
		:: r != rev
		fi
	   }
	od
}

#ifdef BACK
proctype Waiter() {
	byte seen, overdue;
end:	atomic { written[0] > 0 -> seen = written[0]; overdue = t + WAIT } /* E1 */
end2:	atomic { t >= overdue ->      /* E2 */
		if
		:: written[0] == seen -> ended[0] = true
		:: else
		fi
	}
}
#endif

init {
	atomic {
#ifdef BACK
		run Waiter();
#endif
		run Client(0); run Client(1); run Reaper()
	}
}
