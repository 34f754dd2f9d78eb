package inspect

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Operation is what a blocked thread asked for.
type Operation uint8

// The calls that block.
const (
	Operate Operation = iota + 1 // semop(2), semtimedop(2)
	Send                         // msgsnd(2)
	Receive                      // msgrcv(2)
)

// String returns "operate", "send" or "receive".
func (o Operation) String() string {
	switch o {
	case Operate:
		return "operate"
	case Send:
		return "send"
	case Receive:
		return "receive"
	}
	return "unknown"
}

// blockedCall is the system call in which a thread sleeps, as its arguments tell it. What is behind
// the addresses is in the memory of the process.
type blockedCall struct {
	op      Operation
	id      int
	ops     uint64 // address and number of the operations
	nops    int
	timeout uint64 // address, 0 without one
	narrow  bool   // the times there have 32 bits
	size    uint64
	typ     int64 // receive: the wanted one
	flags   int64
	msgtyp  uint64 // receive by ipc(2): address of a pointer and the wanted type
	word    int    // bytes of a C long
}

// parseSyscall reads /proc/PID/task/TID/syscall: the number of the call and six arguments. It is
// false for a thread that runs, or sleeps for another reason.
func parseSyscall(text []byte) (nr uint64, args [6]uint64, ok bool) {
	nr, rest, ok := decimal(text)
	if !ok {
		return 0, args, false // "running", "-1 0x… 0x…"
	}
	for i := range args {
		var w []byte
		w, rest = word(rest)
		w, isHex := bytes.CutPrefix(w, []byte("0x"))
		n, left, isNumber := hexadecimal(w)
		if !isHex || !isNumber || len(left) > 0 {
			return 0, args, false
		}
		args[i] = n
	}
	return nr, args, true
}

// abi is how one port numbers the calls. A number is 0 if it has no such call.
type abi struct {
	semop, semtimedop, semtimedop64, msgsnd, msgrcv, ipc uint64
	word                                                 int  // bytes of a C long
	s390                                                 bool // ipc(2) has its timeout elsewhere
}

var (
	abi386     = abi{semtimedop64: 420, msgsnd: 400, msgrcv: 401, ipc: 117, word: 4}
	abiARM     = abi{semop: 298, semtimedop: 312, semtimedop64: 420, msgsnd: 301, msgrcv: 302, word: 4}
	abiMIPS    = abi{semtimedop64: 4420, msgsnd: 4400, msgrcv: 4401, ipc: 4117, word: 4}
	abiMIPS64  = abi{semop: 5063, semtimedop: 5214, msgsnd: 5067, msgrcv: 5068, word: 8}
	abiGeneric = abi{semop: 193, semtimedop: 192, msgsnd: 189, msgrcv: 188, word: 8}
	abiPPC64   = abi{semtimedop: 392, msgsnd: 400, msgrcv: 401, ipc: 117, word: 8}
	abiPPC     = abi{semtimedop64: 420, msgsnd: 400, msgrcv: 401, ipc: 117, word: 4}
)

// abis are the ways to number calls that a kernel for this GOARCH knows: its own, and that of
// programs for its smaller brother.
var abis = map[string][]abi{
	"386":      {abi386},
	"amd64":    {{semop: 65, semtimedop: 220, msgsnd: 69, msgrcv: 70, word: 8}, abi386},
	"arm":      {abiARM},
	"arm64":    {abiGeneric, abiARM},
	"loong64":  {abiGeneric},
	"riscv64":  {abiGeneric},
	"mips":     {abiMIPS},
	"mipsle":   {abiMIPS},
	"mips64":   {abiMIPS64, abiMIPS},
	"mips64le": {abiMIPS64, abiMIPS},
	"ppc64":    {abiPPC64, abiPPC},
	"ppc64le":  {abiPPC64, abiPPC},
	"s390x":    {{semtimedop: 392, msgsnd: 400, msgrcv: 401, ipc: 117, word: 8, s390: true}},
}

// decodeCall says which call it is. The brothers share numbers (ipc(2) of 386 is setresuid of
// amd64, and 400 of ppc64 is that of ppc), but a thread that sleeps in one of these calls sleeps in
// nothing else: the caller has looked at wchan.
func decodeCall(arch string, nr uint64, args [6]uint64) (c blockedCall, ok bool) {
	for _, a := range abis[arch] {
		if nr == 0 {
			break
		}
		c = blockedCall{id: int(int32(args[0])), word: a.word}
		switch nr {
		case a.semop:
			c.op, c.ops, c.nops = Operate, args[1], clampInt(args[2])
		case a.semtimedop, a.semtimedop64:
			c.op, c.ops, c.nops, c.timeout = Operate, args[1], clampInt(args[2]), args[3]
			c.narrow = nr == a.semtimedop && a.word == 4
		case a.msgsnd:
			c.op, c.size, c.flags, c.msgtyp = Send, args[2], int64(int32(args[3])), args[1]
		case a.msgrcv:
			c.op, c.size, c.typ, c.flags = Receive, args[2], a.long(args[3]), int64(int32(args[4]))
		case a.ipc:
			if !c.decodeIPC(&a, args) {
				continue
			}
		default:
			continue
		}
		return c, c.id >= 0
	}
	return blockedCall{}, false
}

// decodeIPC is for ipc(2), whose first argument says which call is meant.
func (c *blockedCall) decodeIPC(a *abi, args [6]uint64) bool {
	call, version := args[0]&0xffff, args[0]>>16&0xffff
	c.id = int(int32(args[1]))
	switch call {
	case 1, 4: // SEMOP, SEMTIMEDOP
		c.op, c.ops, c.nops = Operate, args[4], clampInt(args[2])
		if call == 4 {
			c.timeout, c.narrow = args[5], a.word == 4
			if a.s390 {
				c.timeout = args[3]
			}
		}
	case 11: // MSGSND
		c.op, c.size, c.flags, c.msgtyp = Send, args[2], int64(int32(args[3])), args[4]
	case 12: // MSGRCV
		c.op, c.size, c.flags = Receive, args[2], int64(int32(args[3]))
		if version == 0 {
			c.msgtyp = args[4]
		} else {
			c.typ = a.long(args[5])
		}
	default:
		return false
	}
	return true
}

// long is an argument that is a signed C long.
func (a *abi) long(arg uint64) int64 {
	if a.word == 4 {
		return int64(int32(arg))
	}
	return int64(arg)
}

func clampInt(n uint64) int { return int(min(n, 1<<30)) }

// SemaphoreOp is one operation of a blocked semop(2).
type SemaphoreOp struct {
	Index  int
	Delta  int  // 0 waits for zero
	Undo   bool // SEM_UNDO
	NoWait bool // IPC_NOWAIT: the call waits for another of its operations
}

// String shows the operation as the command takes it: "0=0", "1-1".
func (o SemaphoreOp) String() string {
	var b []byte
	b = appendInt(b, o.Index)
	switch {
	case o.Delta == 0:
		b = append(b, "=0"...)
	case o.Delta > 0:
		b = appendInt(append(b, '+'), o.Delta)
	default:
		b = appendInt(b, o.Delta)
	}
	return string(b)
}

const (
	flagUndo   = 0x1000 // SEM_UNDO of linux/sem.h
	flagNoWait = 0x800  // IPC_NOWAIT of linux/ipc.h
)

const sembufSize = 6 // on every port: unsigned short, short, short

// decodeSembufs reads operations out of the memory of a process. A rest that is too short is left.
func decodeSembufs(mem []byte, order binary.ByteOrder) []SemaphoreOp {
	ops := make([]SemaphoreOp, 0, len(mem)/sembufSize)
	for ; len(mem) >= sembufSize; mem = mem[sembufSize:] {
		flags := order.Uint16(mem[4:])
		ops = append(ops, SemaphoreOp{
			Index: int(order.Uint16(mem)), Delta: int(int16(order.Uint16(mem[2:]))),
			Undo: flags&flagUndo != 0, NoWait: flags&flagNoWait != 0,
		})
	}
	return ops
}

// decodeTimespec reads a struct timespec with fields of 4 or 8 bytes.
func decodeTimespec(mem []byte, narrow bool, order binary.ByteOrder) (time.Duration, bool) {
	var sec, nsec int64
	switch {
	case narrow && len(mem) >= 8:
		sec, nsec = int64(int32(order.Uint32(mem))), int64(int32(order.Uint32(mem[4:])))
	case !narrow && len(mem) >= 16:
		// With 32-bit longs, the upper half of the nanoseconds is no more than padding.
		sec, nsec = int64(order.Uint64(mem)), int64(order.Uint64(mem[8:])&0xffffffff)
		if order == binary.ByteOrder(binary.BigEndian) {
			nsec = int64(order.Uint32(mem[12:]))
		}
	default:
		return 0, false
	}
	if sec < 0 || nsec < 0 || nsec >= int64(time.Second) {
		return 0, false
	}
	if sec > 1<<33 {
		sec = 1 << 33 // longer than any machine runs
	}
	return time.Duration(sec)*time.Second + time.Duration(nsec), true
}
