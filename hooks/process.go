package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// commLen is how much of a name the kernel keeps.
const commLen = 15

// readPID reads a process id from a file.
func readPID(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, err
	}
	pid, err := parsePID(content)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return pid, nil
}

// parsePID takes the first line only: some servers write more. Numbers below
// one would mean whole groups of processes.
func parsePID(content []byte) (int, error) {
	line, _, _ := bytes.Cut(content, []byte("\n"))
	pid, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 32)
	if err != nil || pid < 1 {
		return 0, errors.New("holds no process id")
	}
	return int(pid), nil
}

// hasName reports whether the process has the name by which ps knows it, or
// runs a program of that name.
func hasName(pid int, name string) (bool, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	comm, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return false, err
	}
	if strings.TrimSuffix(string(comm), "\n") == name[:min(len(name), commLen)] {
		return true, nil
	}
	program, err := os.Readlink(filepath.Join(dir, "exe"))
	// Of another user's process only the comm can be seen.
	return err == nil && strings.TrimSuffix(filepath.Base(program), " (deleted)") == name, nil
}

// parent returns the parent of a living process; a zombie is none.
func parent(pid int) (int, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	return parseStat(stat)
}

// parseStat reads state and parent from proc(5)'s stat. The name before them
// may hold spaces and parentheses.
func parseStat(stat []byte) (int, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, errors.New("malformed stat")
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return 0, fs.ErrNotExist
	}
	pid, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0, errors.New("malformed stat")
	}
	return pid, nil
}

// masters returns the processes of that name whose parent has another one.
func masters(name string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	parents := make(map[int]int)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// A process that ends meanwhile is not meant.
		if named, err := hasName(pid, name); err != nil || !named {
			continue
		}
		if p, err := parent(pid); err == nil {
			parents[pid] = p
		}
	}
	var found []int
	for pid, p := range parents {
		if _, worker := parents[p]; !worker {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	return found, nil
}
