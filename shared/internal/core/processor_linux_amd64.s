//go:build !race && !purego

#include "textflag.h"

// func storeRelease(p *uint64, val uint64)
TEXT ·storeRelease(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ val+8(FP), CX
	MOVQ CX, (AX)
	RET

// func Pause()
TEXT ·Pause(SB), NOSPLIT, $0-0
	PAUSE
	PAUSE
	RET

// func Fetch(p *uint64)
TEXT ·Fetch(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), AX
	BYTE $0x0F; BYTE $0x0D; BYTE $0x08 // PREFETCHW (AX), which the assembler does not know
	RET

// func hasFetch() bool
TEXT ·hasFetch(SB), NOSPLIT, $0-1
	MOVL $0x80000001, AX
	CPUID
	SHRL $8, CX
	ANDL $1, CX
	MOVB CX, ret+0(FP)
	RET
