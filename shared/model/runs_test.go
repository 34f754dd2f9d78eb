package model

import "github.com/sysvipc/sysvipc/internal/spin"

const (
	holds     = spin.Holds
	stuck     = spin.Stuck
	violation = spin.Violation
	livelock  = spin.Livelock
	either    = spin.Either
)

// Each line is one run of spin in TestModels: a model, macros, and what must be found.
// Every model stands first without a defect, then with each of its defects.
var runs = []spin.Run{
	{"mutex", "NT=2 START_BROKEN", holds},
	{"mutex", "CANCEL", holds},
	{"mutex", "NO_SWEEP", holds}, // what the kernel's own marking can do, if all threads stop at once
	{"mutex", "LATE NT=2", holds},
	{"mutex", "LIVE NT=2", holds},
	{"mutex", "NO_SWEEP BUG_NO_PENDING", stuck},
	{"mutex", "NO_SWEEP BUG_LINK_LATE", stuck},
	{"mutex", "NO_SWEEP TWO_IN_ONE BUG_NO_LOCAL_MUTEX", stuck},
	{"mutex", "LATE NT=2 NO_SWEEP", stuck}, // threads that die late: the reaper must sweep
	{"mutex", "NO_WAKE", stuck},            // a wake-up given to the dead: the reaper must wake
	{"mutex", "BUG_ONE_WAKE", stuck},
	{"mutex", "LATE NT=2 BUG_NO_BARRIER", violation},
	{"mutex", "LATE NT=2 BUG_SWAP_UNLOCK", violation},
	{"mutex", "BUG_FORGET_WAITERS", stuck},
	{"mutex", "CANCEL BUG_CANCEL_NO_WAKE", stuck},
	{"mutex", "BUG_SILENT_TAKEOVER", violation},
	{"mutex", "NT=2 START_BROKEN BUG_HEAL_BROKEN", violation},

	{"rwmutex", "", holds},
	{"rwmutex", "BUG_NO_RECHECK", violation},
	{"rwmutex", "BUG_SHARED_COUNT", stuck},
	{"rwmutex", "BUG_NO_WAKE_BACK", stuck},
	{"rwmutex", "BUG_SILENT_TAKEOVER", violation},
	{"rwmutex", "BUG_UNLOCK_FIRST", either},
	{"rwmutex", "BUG_NO_ZERO", stuck},
	{"rwmutex", "BUG_NO_SUSPECT", stuck},

	{"records", "ROUNDS=1", holds},
	{"records", "RECEIVERS ROUNDS=1", holds},
	{"records", "ROUNDS=1 BUG_TAIL_FIRST", violation},
	{"records", "RECEIVERS ROUNDS=1 BUG_NO_EPOCH", violation},
	{"records", "ROUNDS=3 BUG_NO_SECOND_LOOK", violation},
	{"topic", "", holds},
	{"topic", "GATED", holds},
	{"topic", "LIVE ROUNDS=1", holds},
	{"topic", "FIXED", holds},
	{"topic", "FIXED GATED", holds},
	{"topic", "FIXED LIVE ROUNDS=1", holds},
	{"topic", "FIXED BUG_INTENT_BACK", violation},
	{"topic", "FIXED GATED BUG_DEAD_GATE", stuck},
	{"topic", "LIVE ROUNDS=1 N=2", livelock}, // too small for its records
	{"topic", "BUG_INTENT_BACK", violation},
	{"topic", "BUG_INTENT_LATE", violation},
	{"topic", "BUG_NO_SECOND_LOOK", violation},
	{"topic", "BUG_TAIL_FIRST", violation},
	{"topic", "BUG_NUMBER", violation},
	{"topic", "GATED BUG_NO_GATE", violation},
	{"topic", "GATED BUG_JOIN_UNCHECKED", violation},
	{"topic", "GATED BUG_DEAD_GATE", stuck},

	{"reap", "NS=2 KILL0", holds},
	{"reap", "NS=2 KILL2", holds},
	{"reap", "LIVE NS=2 START_DEAD KILL1", holds},
	{"reap", "START_DEAD KILL1", holds}, // the reaper is killed, too
	{"reap", "NS=2 START_DEAD BUG_NO_TAKE", violation},
	{"reap", "NS=2 START_DEAD BUG_NO_INC", violation},
	{"reap", "START_DEAD KILL1 BUG_FREE_FIRST", stuck},
	{"reap", "START_DEAD KILL1 BUG_INC_FIRST", stuck},
	{"reap", "KILL2 BUG_NO_GEN", stuck},
	{"reap", "NS=2 KILL0 KILL1 BUG_SEPARATE_WATCHER", stuck},

	{"init", "", holds},
	{"init", "BUG_PLAIN_LOCK", stuck},
	{"init", "BUG_NO_SECOND_LOOK", violation},
	{"init", "BUG_READY_FIRST", violation},
	{"init", "BUG_NO_WIPE", violation},

	{"join", "NO_KILL", holds},
	{"join", "", holds},
	{"join", "BUG_ONE_LOOK", violation},
	{"join", "BUG_SAY_LATE", violation},

	{"close", "", holds},
	{"close", "BUG_LOOK_AFTER", violation},
	{"close", "BUG_NO_COUNT", violation},
	{"close", "BUG_EMPTY_IS_ZERO", violation},
	{"close", "BUG_NO_WAIT", violation},

	{"wait", "", holds},
	{"wait", "NO_REPAIR", stuck}, // a dead waker: the reaper must wake
	{"wait", "BUG_NO_RECHECK", stuck},
	{"wait", "BUG_NO_FENCE", stuck},
	{"wait", "BUG_COUNTER_WAITERS", stuck},
	{"wait", "BUG_WAKE_ONE", stuck},
	{"wait", "BUG_CLEAR_AFTER_WAKE", stuck},
	{"wait", "BUG_NO_COUNT", stuck},

	{"var", "", holds},
	{"var", "BUG_SEQLOCK", stuck},
	{"var", "BUG_ONE_MORE", violation},
	{"var", "BUG_NO_SECOND_LOOK", violation},
	{"var", "BUG_PUBLISH_FIRST", violation},
	{"var", "BUG_NO_STORE_BARRIER", violation},

	{"map", "", holds},
	{"map", "KEY=1", holds},
	{"map", "START_BROKEN", holds}, // the sweeper may be killed, too
	{"map", "CLEAR", holds},
	{"map", "CLEAR BUG_CLEAR_EMPTY", violation},
	{"map", "BUG_PUBLISH_FIRST", violation},
	{"map", "ROUNDS=2 BUG_NO_VERSION", violation},
	{"map", "BUG_NO_MOVES", violation},
	{"map", "BUG_HOLE_FIRST", violation},
	{"map", "BUG_NO_SWEEP", violation},
	{"map", "BUG_SWEEP_UNCOUNTED", violation},

	{"ring", "MSGS=1", holds},
	{"ring", "MSGS=1 CLOSE", holds},
	{"ring", "RECEIVER_DIES", holds},
	{"ring", "RECEIVER_DIES BATCH MSGS=1", holds},
	{"ring", "RECEIVER_DIES BUG_NO_EPOCH", stuck},
	{"ring", "RECEIVER_DIES BUG_REPAIR_FORGETS", stuck},
	{"ring", "RECEIVER_DIES CLOSE BUG_END_UNDRAINED", violation},
	{"ring", "N=1 BUG_STALE_HEAD", stuck},
	{"ring", "MSGS=1 CLOSE BUG_NO_SEAL", stuck},

	{"chan", "NOBODY MSGS=2", holds},
	{"chan", "NOBODY MSGS=1 CLOSE", holds},
	{"chan", "P NCONS=1 MSGS=1", holds},
	{"chan", "LIVE NOBODY MSGS=1 CLOSE", holds},
	{"chan", "LIVE C NPROD=1 MSGS=1", holds},
	{"chan", "C NPROD=1 MSGS=2", holds},
	{"chan", "C NPROD=1 MSGS=2 AT_MOST_ONCE", holds},
	{"chan", "C NPROD=1 MSGS=2 N=1", holds},
	{"chan", "P NCONS=1 MSGS=1 BUG_VYUKOV", violation}, // the ring that wedges
	{"chan", "P NCONS=1 MSGS=1 BUG_SKIP_BEFORE_TAIL", violation},
	{"chan", "P NCONS=1 MSGS=1 N=1 BUG_FREE_SKIP_FIRST", violation},
	{"chan", "C NPROD=1 MSGS=2 BUG_NO_REWIND", violation},
	{"chan", "C NPROD=1 MSGS=1 BUG_NO_EPOCH", violation},
	{"chan", "C NPROD=1 MSGS=1 BUG_EPOCH_ONLY_BEHIND", violation},
	{"chan", "C NPROD=1 MSGS=1 CLOSE BUG_CLOSE_EARLY", violation},
	{"chan", "NOBODY MSGS=1 CLOSE BUG_CLOSE_BY_FLAG", violation},
	{"chan", "NOBODY MSGS=2 BUG_NO_LAP", violation},
	{"chan", "NOBODY MSGS=1 BUG_FULL_FIRST", violation},
	{"chan", "NOBODY MSGS=1 BUG_TAIL_LATE", violation},
}

// deepRuns are those of TestModelsDeep.
var deepRuns = []spin.Run{
	{"records", "RECEIVERS", holds},
	{"records", "LIVE ROUNDS=1", holds},
	{"ring", "MSGS=2", holds},
	{"ring", "MSGS=1 BATCH", holds},
	{"ring", "RECEIVER_DIES CLOSE", holds},
	{"map", "SWEEPER_DIES", holds},
	{"map", "ROUNDS=2", holds},
	{"mutex", "LATE", holds},
	{"mutex", "TWO_IN_ONE CANCEL", holds},
	{"mutex", "TWO_IN_ONE LATE", holds},
	{"mutex", "LATE NT=2 ROUNDS=2", holds},
	{"rwmutex", "PAIRS", holds},
	{"reap", "NS=2 KILL0 KILL1", holds},
	{"reap", "KILL2", holds},
	{"reap", "KILL0 KILL1", holds},
	{"topic", "ROUNDS=3", holds},
	{"topic", "GATED TWO_SUBSCRIBERS", holds},
	{"wait", "PAIRS", holds},
	{"wait", "LIVE", holds},
	{"rwmutex", "LIVE", holds},
	{"var", "LIVE", holds},
	{"init", "LIVE", holds},
	{"var", "ROUNDS=4", holds},
	{"chan", "C MSGS=1", holds},
	{"chan", "C MSGS=1 CLOSE", holds},
	{"chan", "C MSGS=3 NPROD=1", holds},
	{"chan", "P MSGS=2 NCONS=1", holds},
	{"chan", "P MSGS=1 N=1", holds},
	{"chan", "PC MSGS=1", holds},
	{"chan", "PP MSGS=1 NCONS=1", holds},
}
