package trace

// The numbers of the calls, of asm-generic/unistd.h and, for 32-bit programs, arm's asm/unistd.h.
var (
	nativeNumbers = map[int32]Op{
		193: Semop, 192: Semtimedop, 190: Semget, 191: Semctl, 194: Shmget, 195: Shmctl, 196: Shmat, 197: Shmdt, 186: Msgget, 187: Msgctl,
		188: Msgrcv, 189: Msgsnd, 139: sigreturn,
	}
	compatNumbers = map[int32]Op{
		117: ipcCall, 298: Semop, 299: Semget, 300: Semctl, 301: Msgsnd, 302: Msgrcv, 303: Msgget, 304: Msgctl, 305: Shmat, 306: Shmdt, 307: Shmget,
		308: Shmctl, 312: Semtimedop, 420: Semtimedop, 119: sigreturn, 173: sigreturn,
	}
)

// Where the kernel keeps what a call was made with: the fields of pt_regs, and the mark of a 32-bit program, TIF_32BIT. At
// the end of a call the first register has its result.
var (
	nativeArgs  = []string{"orig_x0", "regs/1", "regs/2", "regs/3", "regs/4", "regs/5"}
	compatArgs  = nativeArgs
	numberField = "syscallno"
	compatField = "flags"
)

const compatMask = 1 << 22
