//go:build !race && !purego

#include "textflag.h"

// func storeRelease(p *uint64, val uint64)
TEXT ·storeRelease(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ val+8(FP), CX
	MOVQ CX, (AX)
	RET

// func pause()
TEXT ·pause(SB), NOSPLIT, $0-0
	PAUSE
	PAUSE
	RET
