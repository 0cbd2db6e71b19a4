import type { Shape } from "../tensor/shape.js";
import { Constant } from "./constant.js";
import { Parameter, type ParameterOptions } from "./parameter.js";

/** A parameter with its place in the model. */
export interface NamedParameter {
  /** Dotted path from the root module, `transformer.blocks.0.norm1.weight`. */
  readonly name: string;
  readonly parameter: Parameter;
  /** Depth for layer-wise learning-rate decay: 0 embedding, i + 1 block i, Infinity whatever comes after. */
  readonly layer: number;
}

/** A constant with its dotted path from the root module. */
export interface NamedConstant {
  readonly name: string;
  readonly constant: Constant;
}

/** A part of a model: it declares parameters, constants and parts of its own by name. Memory and values come from a store. */
export abstract class Module {
  readonly #parameters = new Map<string, Parameter>();
  readonly #constants = new Map<string, Constant>();
  readonly #children = new Map<string, { module: Module; layer: number | null }>();

  /** Every parameter of this module and its parts, in the order of declaration. */
  *namedParameters(prefix = "", layer = Number.POSITIVE_INFINITY): Generator<NamedParameter> {
    for (const [name, parameter] of this.#parameters) yield { name: prefix + name, parameter, layer: parameter.layer ?? layer };
    for (const [name, child] of this.#children) yield* child.module.namedParameters(`${prefix}${name}.`, child.layer ?? layer);
  }

  /** Every constant of this module and its parts. */
  *namedConstants(prefix = ""): Generator<NamedConstant> {
    for (const [name, constant] of this.#constants) yield { name: prefix + name, constant };
    for (const [name, { module }] of this.#children) yield* module.namedConstants(`${prefix}${name}.`);
  }

  /** Number of learned values. */
  get parameterCount(): number {
    let count = 0;
    for (const { parameter } of this.namedParameters()) count += parameter.count;
    return count;
  }

  protected parameter(name: string, shape: Shape, options: ParameterOptions): Parameter {
    const parameter = new Parameter(shape, options);
    this.#parameters.set(name, parameter);
    return parameter;
  }

  /** Declares an index (i32) that is computed once and never learned. */
  protected constant(name: string, shape: Shape, compute: () => Int32Array): Constant {
    const constant = new Constant(shape, compute);
    this.#constants.set(name, constant);
    return constant;
  }

  /** Declares a part; `layer` is its depth for layer-wise learning-rate decay, inherited when absent. */
  protected child<M extends Module>(name: string, module: M, layer: number | null = null): M {
    this.#children.set(name, { module, layer });
    return module;
  }
}
