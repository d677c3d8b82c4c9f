package writer

import "path/filepath"

// batch is a set of steps that share folders and syncs.
type batch struct {
	folders map[string]*folder
	steps   []*step // that change something
}

// plan looks at what is there and decides what j has to do.
func (b *batch) plan(j *Job) *step {
	s := &step{Job: j, base: filepath.Base(j.Path)}
	s.folder = b.folder(filepath.Dir(j.Path))
	if s.plan() {
		b.steps = append(b.steps, s)
	}
	return s
}

func (b *batch) folder(dir string) *folder {
	f, ok := b.folders[dir]
	if !ok {
		f = openFolder(dir)
		b.folders[dir] = f
	}
	return f
}

func (b *batch) close() {
	for _, s := range b.steps {
		s.discard()
	}
	for _, f := range b.folders {
		f.close()
	}
}

// going returns the steps that nothing has stopped so far.
func (b *batch) going() []*step {
	var going []*step
	for _, s := range b.steps {
		if s.err == nil {
			going = append(going, s)
		}
	}
	return going
}

// write brings all new content to the disk under temporary names.
func (b *batch) write() {
	var writes []*step
	for _, s := range b.steps {
		if !s.Remove {
			writes = append(writes, s)
		}
	}
	single := len(writes) <= maxSingle
	for _, s := range writes {
		if s.err = s.write(single); s.err != nil {
			s.discard() // at once: the disk may be full
		}
	}
	if single {
		return
	}
	for _, s := range b.unsynced(writes) {
		if err := s.sync(); err != nil {
			s.fail("sync", err)
		}
	}
}

// unsynced syncs the file systems that the steps write to, and returns the
// steps for which this was not possible.
func (b *batch) unsynced(writes []*step) []*step {
	synced := make(map[uint64]bool)
	var left []*step
	for _, s := range writes {
		if s.err != nil {
			continue
		}
		device := s.folder.device
		if _, done := synced[device]; !done {
			synced[device] = syncFileSystem(s.folder.self) == nil
		}
		if !synced[device] {
			left = append(left, s)
		}
	}
	return left
}

// syncFolders makes the new names durable.
func (b *batch) syncFolders() {
	var changed []*folder
	steps := make(map[*folder][]*step)
	for _, s := range b.steps {
		if s.changed {
			if steps[s.folder] == nil {
				changed = append(changed, s.folder)
			}
			steps[s.folder] = append(steps[s.folder], s)
		}
	}
	synced := make(map[uint64]bool)
	for _, f := range changed {
		if _, done := synced[f.device]; !done && len(changed) > maxSingle {
			synced[f.device] = syncFileSystem(f.self) == nil
		}
		if synced[f.device] {
			continue
		}
		if err := f.self.Sync(); err != nil {
			for _, s := range steps[f] {
				s.fail("sync directory", err)
			}
		}
	}
}
