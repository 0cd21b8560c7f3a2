/** What schemas are made of. */
import { type TProperties, type TSchema, Type } from 'typebox';

export const closed = <T extends TProperties>(properties: T) => Type.Object(properties, { additionalProperties: false });
export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const oneOf = <T extends string>(...values: readonly T[]) => Type.Unsafe<T>({ type: 'string', enum: [...values] });
export const time = (description = 'RFC 3339, UTC') => Type.String({ description, minLength: 16, maxLength: 40 });
export const name = (description: string) => Type.String({ description, pattern: '^[a-z0-9-]{1,32}$' });
export const bytes = () => Type.Number({ minimum: 0, description: 'bytes' });
