"""Writes pillow.json: what Pillow makes of small images, the independent truth for src/data/image/augment.

    pip install pillow==12.3.0; python tests/data/image/pillow.py > tests/data/image/pillow.json
"""

import json

from PIL import Image, ImageEnhance, ImageFilter, ImageOps


def noise(count, seed):
    """A fixed sequence of bytes (an LCG), smooth enough in parts that interpolation isn't all clipping."""
    values, state = [], seed
    for index in range(count):
        state = (1103515245 * state + 12345) % 2**31
        values.append(((state >> 16) % 256 + (index * 5) % 256) // 2)
    return values


def pixels(image):
    return list(image.tobytes())


sources = {
    "gray": Image.frombytes("L", (17, 13), bytes(noise(17 * 13, 1))),
    "color": Image.frombytes("RGB", (11, 14), bytes(noise(11 * 14 * 3, 2))),
    "dark": Image.frombytes("L", (9, 9), bytes(40 + value // 4 for value in noise(81, 3))),
    "flat": Image.new("RGB", (6, 5), (10, 200, 77)),
}
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
cases = []


def case(op, source, arguments, image):
    cases.append({"op": op, "source": source, "arguments": arguments, "width": image.width, "height": image.height, "data": pixels(image)})


for source, image in sources.items():
    width, height = image.size
    fill = (124, 116, 104) if image.mode == "RGB" else 73
    boxes = [(0, 0, width, height), (1, 2, 4, 3), (width - 5, height - 4, 5, 4), (2, 1, 1, 1), (0, 1, width, 2)]
    for name, kind in FILTERS.items():
        for left, top, w, h in boxes:
            for out in [(7, 5), (3, 16), (1, 1), (w, h), (23, 2)]:
                crop = image.crop((left, top, left + w, top + h))
                case("resize", source, [{"left": left, "top": top, "width": w, "height": h}, *out, name], crop.resize(out, kind))
        for matrix in [(1, 0.27, 0, 0, 1, 0), (1, 0, 0, -0.19, 1, 0), (1, 0, 3.85, 0, 1, 0), (1, 0, 0, 0, 1, -2.4), (0.8, 0.3, 1, -0.2, 1.1, 0.5)]:
            result = image.transform(image.size, Image.Transform.AFFINE, matrix, kind, fillcolor=fill)
            case("affine", source, [matrix, list(fill) if image.mode == "RGB" else [fill], name], result)
        for degrees in [27.0, -13.5, 3.1, -29.9]:
            result = image.rotate(degrees, resample=kind, fillcolor=fill)
            case("rotate", source, [degrees, list(fill) if image.mode == "RGB" else [fill], name], result)
    for factor in [0.0, 0.1, 0.613, 1.0, 1.38, 1.9]:
        case("brightness", source, [factor], ImageEnhance.Brightness(image).enhance(factor))
        case("contrast", source, [factor], ImageEnhance.Contrast(image).enhance(factor))
        case("saturation", source, [factor], ImageEnhance.Color(image).enhance(factor))
        case("sharpness", source, [factor], ImageEnhance.Sharpness(image).enhance(factor))
    case("autoContrast", source, [], ImageOps.autocontrast(image))
    case("equalize", source, [], ImageOps.equalize(image))
    case("invert", source, [], ImageOps.invert(image))
    for bits in [1, 2, 4, 8]:
        case("posterize", source, [bits], ImageOps.posterize(image, bits))
    for threshold in [26, 128, 256]:
        case("solarize", source, [threshold], ImageOps.solarize(image, threshold))
    case("solarizeAdd", source, [99], image.point([min(255, v + 99) if v < 128 else v for v in range(256)] * len(image.getbands())))
    case("horizontalFlip", source, [], ImageOps.mirror(image))
    case("convert", source, [1], image.convert("L"))
    case("convert", source, [3], image.convert("RGB"))

# A histogram large enough that equalize has steps above zero in every channel.
large = Image.frombytes("RGB", (40, 30), bytes(noise(3600, 4)))
small = sources["color"].filter(ImageFilter.SMOOTH)
for name, image in {"large": large, "small": small}.items():
    sources[name] = image
    case("equalize", name, [], ImageOps.equalize(image))
    case("autoContrast", name, [], ImageOps.autocontrast(image))

described = {
    name: {"width": image.width, "height": image.height, "channels": len(image.getbands()), "data": pixels(image)}
    for name, image in sources.items()
}
print(json.dumps({"sources": described, "cases": cases}, separators=(",", ":")))
