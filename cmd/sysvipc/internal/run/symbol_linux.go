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
	table, texts, ok := symbolTable(file)
	if !ok {
		return nil, false
	}
	// Variables stand behind functions, in both tables: mostly their ends will do.
	end := texts.lastQuarter(1)
	addresses, ok = lookUp(table.lastQuarter(elfSymbol).mapped(file), end.mapped(file), end.offset-texts.offset, names)
	if !ok {
		addresses, ok = lookUp(table.mapped(file), texts.mapped(file), 0, names)
	}
	return addresses, ok
}

// part is a part of a file.
type part struct{ offset, size int64 }

// symbolTable returns where the symbols of a program stand, and the texts of their names.
func symbolTable(file int) (table, texts part, ok bool) {
	order := binary.NativeEndian
	var header [elfHeader]byte
	if !readAt(file, header[:], 0) || order.Uint16(header[16:]) != elfExecutable {
		return part{}, part{}, false
	}
	all := make([]byte, elfSection*int(order.Uint16(header[60:])))
	if !readAt(file, all, int64(order.Uint64(header[40:]))) {
		return part{}, part{}, false
	}
	section := func(i int) part {
		s := all[i*elfSection:]
		return part{int64(order.Uint64(s[24:])), int64(order.Uint64(s[32:]))}
	}
	for i := range len(all) / elfSection {
		s := all[i*elfSection:]
		if link := int(order.Uint32(s[40:])); order.Uint32(s[4:]) == elfSymbols && link < len(all)/elfSection {
			return section(i), section(link), true
		}
	}
	return part{}, part{}, false
}

// lookUp returns the addresses of names, from a part of the symbols and of the texts.
func lookUp(symbols, texts []byte, skipped int64, names []string) (addresses []int64, ok bool) {
	for _, name := range names {
		text := bytes.Index(texts, []byte("\x00"+name+"\x00"))
		if text < 0 {
			return nil, false
		}
		address, ok := symbolNamed(symbols, skipped+int64(text)+1)
		if !ok {
			return nil, false
		}
		addresses = append(addresses, address)
	}
	return addresses, true
}

// symbolNamed finds the symbol whose name begins at this place of the table of texts.
func symbolNamed(symbols []byte, text int64) (address int64, ok bool) {
	for i := len(symbols) - elfSymbol; i >= 0; i -= elfSymbol {
		if s := symbols[i:]; int64(binary.NativeEndian.Uint32(s)) == text {
			return int64(binary.NativeEndian.Uint64(s[8:])), true
		}
	}
	return 0, false
}

// lastQuarter is the end of a table of entries with this size.
func (p part) lastQuarter(entry int64) part {
	skip := p.size / 4 * 3 / entry * entry
	return part{p.offset + skip, p.size - skip}
}

// mapped returns the bytes of a part. They stay mapped, since this process is about to
// become another program. It is empty if that is not possible.
func (p part) mapped(file int) []byte {
	before := p.offset % int64(os.Getpagesize())
	b, err := syscall.Mmap(file, p.offset-before, int(before+p.size), syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_POPULATE)
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
