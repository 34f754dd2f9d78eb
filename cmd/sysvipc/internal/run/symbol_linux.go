package run

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"syscall"
)

// Sizes and values of elf(5), for 64 bits.
const (
	elfHeader     = 64
	elfSection    = 64 // the header of one
	elfSymbol     = 24
	elfExecutable = 2 // ET_EXEC: addresses are as they stand in the file
	elfSymbols    = 2 // SHT_SYMTAB
)

// symbols returns the addresses of variables of this program, or false if one of them
// cannot be found. Package debug/elf would take longer for it than all else that this
// package does.
func symbols(names ...string) (addresses []int64, ok bool) {
	// Not os.Open, which would set up what goroutines need to wait for files.
	file, err := syscall.Open("/proc/self/exe", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil || strconv.IntSize != 64 {
		return nil, false
	}
	defer syscall.Close(file)
	table, texts := symbolTable(file)
	for _, name := range names {
		text := bytes.Index(texts, []byte("\x00"+name+"\x00"))
		if text < 0 {
			return nil, false
		}
		address, ok := lookUp(table, uint32(text+1))
		if !ok {
			return nil, false
		}
		addresses = append(addresses, address)
	}
	return addresses, true
}

// lookUp finds the symbol whose name begins at this place of the table of names.
func lookUp(table []byte, name uint32) (int64, bool) {
	for ; len(table) >= elfSymbol; table = table[elfSymbol:] {
		if binary.NativeEndian.Uint32(table) == name {
			return int64(binary.NativeEndian.Uint64(table[8:])), true
		}
	}
	return 0, false
}

// symbolTable returns the symbols of a program and the table of their names. Both are
// empty where there are none.
func symbolTable(file int) (table, names []byte) {
	order := binary.NativeEndian
	var header [elfHeader]byte
	if !readAt(file, header[:], 0) || order.Uint16(header[16:]) != elfExecutable {
		return nil, nil
	}
	all := make([]byte, elfSection*int(order.Uint16(header[60:])))
	if !readAt(file, all, int64(order.Uint64(header[40:]))) {
		return nil, nil
	}
	for rest := all; len(rest) > 0; rest = rest[elfSection:] {
		if order.Uint32(rest[4:]) != elfSymbols {
			continue
		}
		link := int(order.Uint32(rest[40:])) * elfSection // the section of the names
		if link > len(all)-elfSection {
			return nil, nil
		}
		return content(file, rest), content(file, all[link:])
	}
	return nil, nil
}

// content maps a section. It stays mapped, since this process is about to become another
// program.
func content(file int, section []byte) []byte {
	offset := int64(binary.NativeEndian.Uint64(section[24:]))
	size := int(binary.NativeEndian.Uint64(section[32:]))
	before := int(offset % int64(os.Getpagesize()))
	b, err := syscall.Mmap(file, offset-int64(before), before+size, syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_POPULATE)
	if err != nil {
		return nil
	}
	return b[before:]
}

// readAt fills b, or returns false.
func readAt(file int, b []byte, offset int64) bool {
	n, err := syscall.Pread(file, b, offset)
	return err == nil && n == len(b)
}
