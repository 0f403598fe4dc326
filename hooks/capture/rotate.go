package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var errNoRotation = errors.New("only a file that it opened itself can be rotated")

// A create opens the file of a number in a row: 0 is the capture's own, which
// may be a stream, and those after it are new files, whatever stood there.
type create func(name string, number int) (*output, error)

// files is the row of files that a capture goes to, one at a time. It is for
// one goroutine, but for setLimit.
type files struct {
	*output // the present one

	create create
	header []byte
	// path is the first file's name, number the present one's place.
	path   string
	number int
	limit  atomic.Int64 // 0: none
	// single says that it cannot be rotated.
	single bool
	keep   int // 0: all
	// retry is when the next file is tried again after it could not be opened, and
	// retrySize at which size of the present one, if that is sooner.
	retry     time.Time
	retrySize int64
}

// newFiles opens the first file and writes its header.
func newFiles(cfg Config, header []byte, create create) (*files, error) {
	f := &files{create: create, header: header, path: cfg.Path, keep: cfg.Keep}
	if cfg.Rotate < 0 || cfg.Keep < 0 {
		return nil, fmt.Errorf("a negative size or number of files: %d, %d", cfg.Rotate, cfg.Keep)
	}
	if cfg.Path != "-" {
		// The next files must be found wherever the process is then.
		path, err := filepath.Abs(cfg.Path)
		if err != nil {
			return nil, err
		}
		f.path = path
	}
	if cfg.Append && cfg.Rotate > 0 {
		for {
			if _, err := os.Lstat(f.name(f.number)); err != nil {
				break // if it is not that there is none, create says what it is
			}
			f.number++
		}
	}
	o, err := f.create(f.name(f.number), f.number)
	if err != nil {
		return nil, err
	}
	f.single = !o.regular || o.shared
	if err = f.setLimit(cfg.Rotate); err == nil {
		err = o.begin(header)
	}
	if err != nil {
		_ = o.close()
		return nil, err
	}
	f.output = o
	return f, nil
}

// setLimit sets the size past which the next file is begun. It is safe for concurrent
// use.
func (f *files) setLimit(limit int64) error {
	if limit > 0 && f.single {
		return fmt.Errorf("rotate %s: %w", f.path, errNoRotation)
	}
	f.limit.Store(limit)
	return nil
}

// open opens the next file and writes its header.
func (f *files) open() (*output, error) {
	name := f.name(f.number + 1)
	o, err := f.create(name, f.number+1)
	if err != nil {
		return nil, err
	}
	if err := o.begin(f.header); err != nil {
		_ = o.close()
		_ = os.Remove(name) // nobody could read it
		return nil, err
	}
	return o, nil
}

// name returns the name of the file of a number: f.pcapng, f.1.pcapng, ...
func (f *files) name(number int) string {
	if number == 0 {
		return f.path
	}
	ext := filepath.Ext(f.path)
	if base := filepath.Base(f.path); base == ext {
		ext = "" // a name like .capture
	}
	return strings.TrimSuffix(f.path, ext) + "." + strconv.Itoa(number) + ext
}

// due reports whether the file, with so many bytes more, is past its size, and
// the next is to begin.
func (f *files) due(more int64) bool {
	limit := f.limit.Load()
	return limit > 0 && f.size+more > limit && (f.retry.IsZero() || f.size+more > f.retrySize || !time.Now().Before(f.retry))
}

// rotate begins the next file and ends the present one with last, a whole
// block. With an error from the next file the present one goes on, and the
// next is not due for a second, or until as much again has been written, about which
// there is no error: a disk that has room again is not to be filled by the present one.
func (f *files) rotate(last []byte) error {
	next, err := f.open()
	if err != nil {
		f.retrySize = f.size + f.limit.Load()
		now := time.Now()
		if now.Before(f.retry) {
			return nil // that has been said
		}
		f.retry = now.Add(retryAfter)
		return fmt.Errorf("begin next file: %w", err)
	}
	f.retry = time.Time{}
	// It is only the statistics: a disk too full for them costs no packet.
	_, _ = f.write(last, []block{{end: len(last)}})
	err = f.close()
	f.output = next
	f.number++
	if f.keep > 0 && f.number >= f.keep {
		if e := os.Remove(f.name(f.number - f.keep)); e != nil && !errors.Is(e, os.ErrNotExist) && err == nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("end file: %w", err)
	}
	return nil
}

// createFile creates a capture's file that only its owner may read, for it
// holds what others sent; or opens a named pipe that has its reader, or
// standard output.
func createFile(name string, number int) (*output, error) { return makeFile(name, number, false) }

// appendFile is createFile that leaves what is in the first file.
func appendFile(name string, number int) (*output, error) { return makeFile(name, number, true) }

func makeFile(name string, number int, behind bool) (*output, error) {
	if name == "-" {
		return fileOutput(os.Stdout, true)
	}
	if number > 0 {
		// Never through a link that someone has put there.
		if info, err := os.Lstat(name); err == nil && !info.IsDir() {
			if err := os.Remove(name); err != nil {
				return nil, err
			}
		}
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		return fileOutput(file, false)
	}
	flags := os.O_WRONLY | os.O_CREATE
	if info, err := os.Stat(name); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		// To wait for a reader would be to hang.
		flags = os.O_WRONLY | syscall.O_NONBLOCK
	}
	file, err := os.OpenFile(name, flags, 0o600)
	if errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("%w: the named pipe has no reader: start that first", err)
	}
	if err != nil {
		return nil, err
	}
	o, err := fileOutput(file, false)
	if err != nil {
		return nil, err
	}
	if !o.regular {
		return o, nil
	}
	if err = file.Chmod(0o600); err == nil && behind {
		_, err = file.Seek(0, io.SeekEnd)
	} else if err == nil {
		err = file.Truncate(0)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return o, nil
}

func fileOutput(file *os.File, shared bool) (*output, error) {
	info, err := file.Stat()
	if err != nil {
		if !shared {
			_ = file.Close()
		}
		return nil, err
	}
	return &output{store: file, regular: info.Mode().IsRegular(), shared: shared}, nil
}
