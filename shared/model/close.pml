/*
 * close.pml: Close beside operations of the same process.
 *
 * WORDS  view: what operations begin with; false once Close has begun.
 *        real: the memory behind the addresses is the region's, and not zeros: one step of the kernel.
 *        list: the locks that this process holds in the region, under the robust owner's mutex.
 *        words: how many are just writing a word.
 *
 * CLOSE
 *   C1  view = false
 *   C2  wait until list is empty and words is 0; these are looked at one after the other
 *   C3  real = false
 *   C4  mend what was claimed and not finished (by a second mapping), and raise the alarm
 * LOCK    under the robust owner's mutex: if view, take the lock and note it in the list; else an error.
 *         Then write; then release. All of it counts, so it returns nil.
 * WORD    words++; if view, write; words--.
 * CLAIM   compare-and-swap the cell from empty to mine; write; compare-and-swap from mine to full. What is
 *         in zeros is neither empty nor mine.
 *
 * PROVED: what returned nil is in the region, what returned an error is not; no lock of the region stays
 * taken; no cell stays claimed; none waits for ever.
 */
#define EMPTY 6
#define MINE 1
#define FULL 2
#define SKIP 3

bool view = true, real = true, closed;
bool lock, list;           /* the word in the region, and the robust owner's list */
byte words, cell = EMPTY;
byte zeroLock, zeroCell;   /* the same addresses in the zeros */
byte value, stored;        /* in the region: what was written */
byte acked, failed;

inline answer(ok) {
	d_step { if :: ok -> acked++ :: else -> failed++ fi }
}

proctype Lock() {
	bool got;
#ifdef BUG_LOOK_AFTER
	atomic { if :: real -> lock = true :: else -> zeroLock = 1 fi; list = true };
	got = view;
#else
	atomic { if :: view -> assert(real); lock = true; list = true; got = true :: else fi };
#endif
	if
	:: got -> if :: real -> value++ :: else fi
	:: else
	fi;
#ifdef BUG_LOOK_AFTER
	atomic { if :: real -> lock = false :: else -> zeroLock = 0 fi; list = false };
#else
	if :: got -> atomic { assert(real); lock = false; list = false } :: else fi;
#endif
	answer(got)
}

proctype Word() {
	bool got;
#ifdef BUG_NO_COUNT
	got = view;
	if :: got -> if :: real -> value++ :: else fi :: else fi;
#else
	words++;
	got = view;
	if :: got -> if :: real -> value++ :: else fi :: else fi;
	words--;
#endif
	answer(got)
}

proctype Claim() {
	bool got, was;
	was = view;
	if
	:: was ->
		atomic {
			if
			:: real && cell == EMPTY -> cell = MINE; got = true
#ifdef BUG_EMPTY_IS_ZERO
			:: !real && zeroCell == 0 -> zeroCell = MINE; got = true
#endif
			:: else
			fi
		};
		if
		:: got ->
			atomic {
				if
				:: real && cell == MINE -> cell = FULL; stored++
				:: !real && zeroCell == MINE -> zeroCell = FULL
				:: else -> got = false
				fi
			}
		:: else
		fi
	:: else
	fi;
	answer(got)
}

proctype Close() {
	view = false;
#ifndef BUG_NO_WAIT
	words == 0;
	!list;
#endif
	real = false;
	d_step { if :: cell == MINE -> cell = SKIP :: else fi };
	closed = true
}

init {
	atomic { run Lock(); run Word(); run Claim(); run Close() };
	acked + failed == 3 && closed;
	assert(value + stored == acked && !lock && cell != MINE)
}
