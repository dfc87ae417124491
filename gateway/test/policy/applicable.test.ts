import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ApplicableLimits, type Member, type Place, type Rule, SharedLimits } from '../../src/policy/applicable.ts';
import type { Dimension, Level } from '../../src/policy/limit.ts';
import { limitOf } from './limits.ts';

const MEMBER: Member = {
  tier: 'pro',
  organization: 'acme',
  team: 'search',
  user: 'alice',
  keyId: 'acme.web',
  models: new Set(['small', 'large']),
};

function rule(
  place: Place,
  per: Level,
  models: readonly string[] | null = null,
  dimension: Dimension = 'tokens',
): Rule {
  const limit = limitOf(10, { kind: 'slidingWindow', windowMs: 1000 }, { id: `${place}.${per}`, per, dimension });
  return { limit, place, models: models === null ? null : new Set(models) };
}

/** The limits of a member with these rules; those at place `model` are of model `large`. */
function limitsOf(rules: readonly Rule[], member: Member = MEMBER, shared?: SharedLimits): ApplicableLimits {
  const ofModel = rules
    .filter(({ place }) => place === 'model')
    .map((each) => ({ ...each, models: new Set(['large']) }));
  const others = rules.filter(({ place }) => place !== 'model');
  return new ApplicableLimits(member, [others], shared ?? new SharedLimits(new Map([['large', ofModel]])));
}

const LEVELS: Readonly<Record<Place, readonly Level[]>> = {
  tier: ['key', 'organization', 'team', 'user', 'endUser', 'model', 'tier'],
  organization: ['organization', 'team', 'user', 'key', 'endUser', 'model'],
  team: ['team', 'user', 'key', 'endUser', 'model'],
  user: ['user', 'key', 'endUser', 'model'],
  key: ['key', 'endUser', 'model'],
  model: ['model', 'organization', 'team', 'user', 'key', 'endUser'],
};
const PLACES = Object.keys(LEVELS) as Place[];
const EVERY_RULE = PLACES.flatMap((place) => LEVELS[place].map((per) => rule(place, per)));

describe('whose use a limit adds up follows from its level, and for each model from where it is written', () => {
  const subjects: Readonly<Record<Exclude<Level, 'model' | 'target'>, string>> = {
    organization: 'acme',
    team: 'acme.teams.search',
    user: 'acme.users.alice',
    key: 'acme.web',
    endUser: 'acme.endUsers.bob',
    tier: 'pro',
  };
  const ofModels: Readonly<Record<Place, string>> = {
    tier: 'acme:large',
    organization: 'acme:large',
    team: 'acme.teams.search:large',
    user: 'acme.users.alice:large',
    key: 'acme.web:large',
    model: 'large',
  };
  for (const place of PLACES) {
    for (const per of LEVELS[place]) {
      test(`${per} at a ${place}`, () => {
        const [bound, ...more] = limitsOf([rule(place, per)]).of('large', 'bob');
        const subject = per === 'model' || per === 'target' ? ofModels[place] : subjects[per];
        assert.equal(more.length, 0);
        assert.equal(bound!.subject, subject);
        assert.equal(bound!.counter, `${place}.${per}@${subject}`);
        const shared = per === 'tier' ? 'tier:pro' : per === 'model' && place === 'model' ? 'model:large' : 'org:acme';
        assert.equal(bound!.shard, shared);
      });
    }
  }
});

test('limits are in the order organization, team, user, key, end user, and what organizations share is last', () => {
  const owners = limitsOf(EVERY_RULE.toReversed())
    .of('large', 'bob')
    .map(({ subject }) => subject.split(':')[0]!);
  assert.deepEqual(
    owners.filter((owner, index) => owner !== owners[index - 1]),
    ['acme', 'acme.teams.search', 'acme.users.alice', 'acme.web', 'acme.endUsers.bob', 'pro', 'large'],
  );
});

test('no two subjects of one limit share a counter, whoever they are', () => {
  const limits = limitsOf(EVERY_RULE);
  const counters = ['small', 'large'].flatMap((model) =>
    ['bob', 'eve'].flatMap((endUser) =>
      limits.of(model, endUser).map(({ counter, subject }) => `${counter} ${subject}`),
    ),
  );
  const byCounter = new Map(counters.map((each) => [each.split(' ')[0], each]));
  assert.equal(byCounter.size, new Set(counters).size);
});

test('a limit for a team, a user or an end user binds no call that has none', () => {
  const rules = [rule('tier', 'team'), rule('organization', 'user'), rule('model', 'endUser'), rule('tier', 'key')];
  const nobody = limitsOf(rules, { ...MEMBER, team: null, user: null });
  assert.deepEqual(
    nobody.of('large', null).map(({ limit }) => limit.id),
    ['tier.key'],
  );
  assert.deepEqual(
    nobody.limits().map(({ id }) => id),
    ['tier.key', 'model.endUser'],
  );
});

test('a limit for some models binds calls to these only', () => {
  const limits = limitsOf([rule('tier', 'key', ['large']), rule('key', 'endUser', ['small']), rule('model', 'model')]);
  const ids = (model: string) => limits.of(model, 'bob').map(({ limit }) => limit.id);
  assert.deepEqual(ids('large'), ['tier.key', 'model.model']);
  assert.deepEqual(ids('small'), ['key.endUser']);
});

test('what binds calls to a model is found once, and for all models at once where it makes no difference', () => {
  const some = limitsOf([rule('tier', 'key', ['large'])]);
  assert.equal(some.of('large', null), some.of('large', 'bob'));
  assert.notEqual(some.of('large', null), some.of('small', null));
  const plain = limitsOf(
    [rule('tier', 'key'), rule('organization', 'organization')],
    MEMBER,
    new SharedLimits(new Map()),
  );
  assert.equal(plain.of('large', null), plain.of('small', null));
});

test('keys of one organization have its limits as the same object, and their own as their own', () => {
  const shared = new SharedLimits(new Map());
  const rules = [rule('tier', 'organization'), rule('tier', 'key')];
  const [ofWeb, web] = limitsOf(rules, MEMBER, shared).of('large', null);
  const [ofNight, night] = limitsOf(rules, { ...MEMBER, keyId: 'acme.night' }, shared).of('large', null);
  assert.equal(ofWeb, ofNight);
  assert.notEqual(web!.counter, night!.counter);
});

test('an unknown price matters where a limit on cost may bind, also one for each end user', () => {
  const limits = limitsOf([rule('tier', 'endUser', ['large'], 'cost'), rule('tier', 'key')]);
  assert.deepEqual([limits.countsCost('large'), limits.countsCost('small')], [true, false]);
});

test('every limit that can bind a caller is listed, for each model that it may call, without end users', () => {
  const rules = [rule('tier', 'model'), rule('tier', 'key', ['small']), rule('key', 'endUser'), rule('model', 'model')];
  const listed = (models: readonly string[]) =>
    limitsOf(rules, { ...MEMBER, models: new Set(models) })
      .every()
      .map(({ counter }) => counter);
  assert.deepEqual(listed(['small', 'large']), [
    'tier.model@acme:small',
    'tier.model@acme:large',
    'tier.key@acme.web',
    'model.model@large',
  ]);
  assert.deepEqual(listed(['large']), ['tier.model@acme:large', 'model.model@large']);
});
