"""Makes the encoded files in fixtures/ with libsndfile (soundfile 0.14, libsndfile 1.2.2). Usage: python fixtures.py"""

from pathlib import Path

import numpy as np
import soundfile

FOLDER = Path(__file__).parent / "fixtures"


def integers(frames, seed, scale):
    """Noise that formats.test.ts makes again: exact in integers."""
    i = np.arange(frames, dtype=np.int64)
    return ((i * i * 7 + 13 * i + seed) % 20011 - 10005) * scale


def tones(frames, rate, *hertz):
    time = np.arange(frames) / rate
    return sum(0.3 * np.sin(2 * np.pi * f * time) for f in hertz)


def write(name, samples, rate, **kind):
    with soundfile.SoundFile(FOLDER / name, "w", rate, 1 if samples.ndim == 1 else samples.shape[1], **kind) as file:
        for start in range(0, len(samples), 4096):
            file.write(samples[start : start + 4096])


FOLDER.mkdir(exist_ok=True)
write("16k.flac", (integers(5000, 1, 3) * 65536).astype(np.int32), 16000, format="FLAC", subtype="PCM_16")
stereo = np.stack([integers(3000, 2, 800), integers(3000, 3, 700)], 1)
write("44k.flac", (stereo * 256).astype(np.int32), 44100, format="FLAC", subtype="PCM_24")
write("8bit.flac", (np.clip(integers(3000, 4, 1) // 90, -128, 127) * 2**24).astype(np.int32), 8000, format="FLAC", subtype="PCM_S8")
write("44k.ogg", tones(13230, 44100, 440, 1000), 44100, format="OGG", subtype="VORBIS")
write("stereo.ogg", np.stack([tones(4000, 16000, 440), tones(4000, 16000, 1000)], 1), 16000, format="OGG", subtype="VORBIS")
write("44k.mp3", tones(13230, 44100, 440, 1000), 44100, format="MP3", subtype="MPEG_LAYER_III")
write("stereo.mp3", np.stack([tones(8000, 16000, 440), tones(8000, 16000, 1000)], 1), 16000, format="MP3", subtype="MPEG_LAYER_III")
