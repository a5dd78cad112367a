"""A ray marcher: solids on a ground, lit by the sun, the sky and reflections.

Knows neither particular objects nor files. All light is linear.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, dot, length, mix, rgb, rotate, smoothstep, unit, vector

Distance = Callable[[Array], Array]
"""Signed distances (N) of points (3, N)."""
Paint = Callable[[Array], Array]
"""Colours (3, N) or (3, 1) of points (3, N)."""
Backdrop = Callable[[np.random.Generator, int, int], Array]
"""A picture (3, height, width) of what lies behind everything."""

MARCH_STEPS, SHADOW_STEPS = 90, 28
TOUCHING = 0.0015
DARK = 0.01
"""The share of the sun below which more shadow makes no difference."""
NEAR = 0.3
"""How near to the ball that holds a solid its exact distance begins to matter."""


def plain(code: int) -> Paint:
    """One colour all over."""
    colour = rgb(code)
    return lambda points: np.broadcast_to(colour, points.shape)


@dataclass(frozen=True)
class Material:
    """How a surface reflects light."""

    colour: Paint
    gloss: float = 0.04
    """Share of the light that is mirrored when looked at head on (0.04 for most things but metal)."""
    sharpness: float = 60.0
    """Phong's exponent: the higher, the smaller the sun's highlight."""
    mirror: float = 0.5
    """How clearly the surroundings are mirrored, from 0 (matt) to 1 (polished)."""
    translucency: float = 0.0
    """How far light wraps round into the shade."""
    glow: float = 0.0
    """Light of its own, as a multiple of the colour."""
    bump: Distance | None = None
    """Heights of small dents and bumps that only shading shows."""


@dataclass(frozen=True)
class Pose:
    """Position, orientation and scale of an object."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    turns: tuple[tuple[int, float], ...] = ()
    """Axis and angle in radians, one after the other."""
    scale: float = 1.0

    def local(self, points: Array) -> Array:
        """Points in the object's own coordinates."""
        moved: Array = points - vector(self.x, self.y, self.z)
        for axis, angle in reversed(self.turns):
            moved = rotate(moved, -angle, axis)
        return moved / self.scale


@dataclass(frozen=True)
class Solid:
    """A shape, what it is made of, and where it is."""

    shape: Distance
    material: Material
    pose: Pose = field(default_factory=Pose)
    slack: float = 1.0
    """The share of the distance that a ray may safely step; below 1 for distances that are estimates."""
    reach: float = 1.7
    """Radius, in the thing's own units, of a ball about its origin that holds the shape: far points need no more."""

    def distance(self, points: Array) -> Array:
        """Signed distances of points from the surface; of far points, from the ball that holds it."""
        local = self.pose.local(points)
        distance = length(local) - self.reach
        near = np.flatnonzero(distance < NEAR)
        distance[near] = self.shape(local[:, near])
        return distance * self.pose.scale

    def world_material(self) -> Material:
        """The material as a function of points in the scene."""
        inner, local = self.material, self.pose.local
        bump = inner.bump
        placed_bump = None if bump is None else lambda points: bump(local(points)) * self.pose.scale
        return replace(inner, colour=lambda points: inner.colour(local(points)), bump=placed_bump)


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from."""

    place: tuple[float, float, float]
    target: tuple[float, float, float] = (0, 0, 0)
    zoom: float = 2.0
    """Focal length over half the picture's shorter side."""
    blur: float = 0.0
    """Diameter, as a share of the picture's width, of a far point's disc of confusion."""


@dataclass(frozen=True)
class Light:
    """The sun, the sky, and a window that glossy things mirror."""

    sun: tuple[float, float, float] = (-0.5, 0.8, 0.5)
    sun_colour: Array = field(default_factory=lambda: vector(1.75, 1.62, 1.42))
    sky: Array = field(default_factory=lambda: vector(0.38, 0.41, 0.47))
    floor: Array = field(default_factory=lambda: vector(0.2, 0.18, 0.15))
    softness: float = 10.0
    """The higher, the harder the edges of shadows."""
    window: float = 1.0
    """Brightness of the mirrored window."""


@dataclass(frozen=True)
class Scene:
    """Solids within a ball about the origin, on a level ground, before a backdrop."""

    solids: list[Solid]
    camera: Camera
    backdrop: Backdrop
    light: Light = field(default_factory=Light)
    ground: Material | None = None
    level: float = -1.0
    radius: float = 1.6
    """Radius of the ball about the origin that holds all solids."""
    haze: float = 0.0
    """How fast the ground fades into the backdrop with distance."""


@dataclass(frozen=True)
class Exposure:
    """A rendered scene: light (3, height, width), depth (height, width), and where a solid was hit."""

    light: Array
    depth: Array
    solid: Array


def expose(scene: Scene, width: int, height: int, seed: int = 0) -> Exposure:
    """Render a scene through its camera."""
    rng = np.random.default_rng(seed)
    backdrop = scene.backdrop(rng, height, width).reshape(3, -1)
    origin, rays = _rays(scene.camera, width, height)
    depth, which = _march_all(scene, origin, rays)
    light = backdrop.copy()
    for index, material in enumerate(_materials(scene)):
        chosen = np.flatnonzero(which == index)
        if chosen.size:
            spots = origin + rays[:, chosen] * depth[chosen]
            normals = _normals(scene, index, material, spots)
            light[:, chosen] = _shade(scene, material, spots, normals, rays[:, chosen])
    on_ground = which == len(scene.solids)
    fade = np.where(on_ground, 1 - np.exp(-scene.haze * np.minimum(depth, 1e4)), 0)
    light = mix(light, backdrop, fade)
    solid = ((which >= 0) & ~on_ground).astype(np.float32)
    return Exposure(
        light.reshape(3, height, width), depth.reshape(height, width), solid.reshape(height, width)
    )


def _materials(scene: Scene) -> list[Material]:
    """The materials of all solids and, where there is one, of the ground."""
    solids = [solid.world_material() for solid in scene.solids]
    return solids if scene.ground is None else [*solids, scene.ground]


def _rays(camera: Camera, width: int, height: int) -> tuple[Array, Array]:
    """The camera's place (3, 1) and the direction through each pixel (3, N)."""
    origin = vector(*camera.place)
    ahead = unit(vector(*camera.target) - origin)
    right = unit(np.cross(ahead, vector(0, 1, 0), axis=0))
    up = np.cross(right, ahead, axis=0)
    half = min(width, height) / 2
    across = (np.arange(width, dtype=np.float32) + 0.5 - np.float32(width / 2)) / half
    down = (np.arange(height, dtype=np.float32) + 0.5 - np.float32(height / 2)) / half
    x, y = (grid.reshape(-1) for grid in np.meshgrid(across, down))
    return origin, unit(ahead * camera.zoom + right * x - up * y)


def _span(scene: Scene, origins: Array, rays: Array) -> tuple[Array, Array]:
    """Where rays enter and leave the ball that holds the solids; they leave before they enter if they miss it."""
    middle = -dot(origins, rays)
    closest = dot(origins, origins) - middle * middle
    inside = np.float32(scene.radius**2) - closest
    half = np.where(inside > 0, np.sqrt(np.maximum(inside, 0)), -1)
    return np.maximum(middle - half, 0.02), np.where(inside > 0, middle + half, -1)


def _nearest(scene: Scene, points: Array) -> Array:
    """The distance to the nearest solid, safe to step."""
    return reduce(np.minimum, (solid.distance(points) * solid.slack for solid in scene.solids))


def _march_all(scene: Scene, origin: Array, rays: Array) -> tuple[Array, NDArray[np.intp]]:
    """Each ray's depth, and the index of what it hit: a solid, the ground (one more than the last), or -1."""
    depth = np.full(rays.shape[1], 1e6, np.float32)
    which = np.full(rays.shape[1], -1)
    if scene.ground is not None:
        downwards = rays[1] < 0
        depth[downwards] = (scene.level - origin[1]) / rays[1, downwards]
        which[downwards] = len(scene.solids)
    if scene.solids:
        solid_depth, hit = _march(scene, origin, rays)
        hit &= solid_depth < depth
        depth[hit] = solid_depth[hit]
        spots = origin + rays[:, hit] * depth[hit]
        which[hit] = np.argmin([solid.distance(spots) for solid in scene.solids], axis=0)
    return depth, which


def _march(scene: Scene, origin: Array, rays: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Each ray's depth where it meets a solid, and whether it does."""
    enter, leave = _span(scene, origin, rays)
    depth, hit = enter.copy(), np.zeros(rays.shape[1], bool)
    active = np.flatnonzero(leave > enter)
    for _ in range(MARCH_STEPS):
        if not active.size:
            break
        step = _nearest(scene, origin + rays[:, active] * depth[active])
        met = step < TOUCHING
        hit[active[met]] = True
        depth[active] += np.where(met, 0, step)
        active = active[~met & (depth[active] < leave[active])]
    if active.size:  # rays that graze a surface creep along it
        hit[active] = _nearest(scene, origin + rays[:, active] * depth[active]) < 10 * TOUCHING
    return depth, hit


def _normals(scene: Scene, index: int, material: Material, spots: Array) -> Array:
    """Directions (3, N) in which a solid's surface, or the ground's, faces, bumps included."""
    on_ground = index == len(scene.solids)
    upwards = np.broadcast_to(vector(0, 1, 0), spots.shape)
    normals = upwards if on_ground else unit(_gradient(scene.solids[index].distance, spots, 0.002))
    if material.bump is None:
        return normals
    slope = _gradient(material.bump, spots, 0.004)
    return unit(normals - slope + normals * dot(slope, normals))


def _gradient(field: Distance, points: Array, reach: float) -> Array:
    """How fast a field grows along each axis, from four samples at a tetrahedron's corners."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32)[:, :, None]
    samples = [corner * field(points + corner * reach) for corner in corners]
    return np.asarray(np.sum(samples, axis=0) / np.float32(4 * reach), np.float32)


def _shade(scene: Scene, material: Material, spots: Array, normals: Array, rays: Array) -> Array:
    """The light (3, N) that surface points reflect along the rays."""
    light, colour = scene.light, material.colour(spots)
    sun = unit(vector(*light.sun))
    shadow = _sun_visibility(scene, spots + normals * 0.01, sun)
    open_sky = _openness(scene, spots, normals)
    wrap = material.translucency
    facing = np.clip((dot(normals, sun) + wrap) / (1 + wrap), 0, 1)
    lit_share = mix(shadow, np.ones_like(shadow), wrap * 0.5)
    around = mix(light.floor, light.sky, (normals[1] + 1) / 2) * open_sky
    diffuse = colour * (light.sun_colour * facing * lit_share + around + material.glow)
    mirrored = rays - 2 * normals * dot(rays, normals)
    fresnel = material.gloss + (1 - material.gloss) * (1 - np.clip(-dot(rays, normals), 0, 1)) ** 5
    highlight = np.clip(dot(mirrored, sun), 0, 1) ** material.sharpness
    highlight = highlight * np.float32(material.sharpness / 20) * shadow
    seen = _surroundings(light, mirrored) * open_sky * material.mirror
    tint = mix(np.ones_like(colour), colour, smoothstep(0.1, 0.5, np.full(1, material.gloss, np.float32)))
    return np.asarray(
        diffuse * (1 - fresnel) + tint * fresnel * (light.sun_colour * highlight + seen), np.float32
    )


def _sun_visibility(scene: Scene, spots: Array, sun: Array) -> Array:
    """How much of the sun is visible from each point, from 0 to 1."""
    seen = np.ones(spots.shape[1], np.float32)
    if not scene.solids:
        return seen
    enter, leave = _span(scene, spots, np.broadcast_to(sun, spots.shape))
    depth = enter.copy()
    active = np.flatnonzero(leave > enter)
    for _ in range(SHADOW_STEPS):
        if not active.size:
            break
        gap = _nearest(scene, spots[:, active] + sun * depth[active])
        seen[active] = np.minimum(seen[active], np.clip(scene.light.softness * gap / depth[active], 0, 1))
        depth[active] += np.clip(gap, 0.02, 0.3)
        active = active[(seen[active] > DARK) & (depth[active] < leave[active])]
    return smoothstep(0, 1, seen)


def _openness(scene: Scene, spots: Array, normals: Array) -> Array:
    """Ambient occlusion: how much of the sky is visible from each point, from 0 to 1."""
    covered = np.zeros(spots.shape[1], np.float32)
    if not scene.solids:
        return covered + 1
    near = np.flatnonzero(length(spots) < scene.radius + 1)
    for reach in (0.05, 0.15, 0.35):
        moved = spots[:, near] + normals[:, near] * reach
        gap = np.minimum(_nearest(scene, moved), moved[1] - scene.level if scene.ground else np.inf)
        covered[near] += np.clip(reach - gap, 0, reach) / reach * 0.3
    return 1 - covered


def _surroundings(light: Light, directions: Array) -> Array:
    """What polished surfaces reflect: sky above, floor below, and a bright window on the sun's side."""
    height = smoothstep(-0.3, 0.4, directions[1])
    around = mix(light.floor * 0.6, light.sky * 1.3, height)
    side = unit(vector(light.sun[0], 0.45, light.sun[2]))
    across = unit(np.cross(side, vector(0, 1, 0), axis=0))
    over = np.cross(across, side, axis=0)
    ahead = dot(directions, side)
    x, y = dot(directions, across) / np.maximum(ahead, 0.05), dot(directions, over) / np.maximum(ahead, 0.05)
    pane = smoothstep(0.42, 0.36, np.abs(x)) * smoothstep(0.52, 0.46, np.abs(y)) * (ahead > 0)
    bars = smoothstep(0.02, 0.05, np.abs(x)) * smoothstep(0.02, 0.05, np.abs(y))
    return around + vector(6, 6.2, 6.5) * pane * bars * light.window
