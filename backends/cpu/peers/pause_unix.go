//go:build unix

package peers

import "syscall"

// Pause stops the peer's process: no thread of it spins until Resume, or until
// the next command, which resumes it.
func (p *Peer) Pause() error {
	if p.stopped {
		return nil
	}
	p.stopped = true
	return p.cmd.Process.Signal(syscall.SIGSTOP)
}

// Resume lets a paused peer go on.
func (p *Peer) Resume() error {
	if !p.stopped {
		return nil
	}
	p.stopped = false
	return p.cmd.Process.Signal(syscall.SIGCONT)
}
