package trace

// The numbers of the calls, of asm/unistd_64.h and asm/unistd_32.h.
var (
	nativeNumbers = map[int32]Op{
		65: Semop, 220: Semtimedop, 64: Semget, 66: Semctl, 29: Shmget, 30: Shmat, 31: Shmctl, 67: Shmdt, 68: Msgget, 69: Msgsnd,
		70: Msgrcv, 71: Msgctl, 15: sigreturn,
	}
	compatNumbers = map[int32]Op{
		117: ipcCall, 393: Semget, 394: Semctl, 395: Shmget, 396: Shmctl, 397: Shmat, 398: Shmdt, 399: Msgget, 400: Msgsnd, 401: Msgrcv,
		402: Msgctl, 420: Semtimedop, 119: sigreturn, 173: sigreturn,
	}
)

// Where the kernel keeps what a call was made with: the fields of pt_regs, and the mark of a 32-bit call, TS_COMPAT.
var (
	nativeArgs  = []string{"di", "si", "dx", "r10", "r8", "r9"}
	compatArgs  = []string{"bx", "cx", "dx", "si", "di", "bp"}
	numberField = "orig_ax"
	compatField = "status"
)

const compatMask = 2
