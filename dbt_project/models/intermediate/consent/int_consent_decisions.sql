with

scopes as (
    select * from {{ ref('int_consent_scopes') }}
),

signals as (
    select
        *,
        {{ utc_text('counted_at') }} || ' ' || rpad(event_id, 32, ' ')
        || ' ' || coalesce(detail, '') as said
    from {{ ref('int_consent_signals') }}
),

jurisdictions as (
    select * from {{ ref('consent_jurisdictions') }}
),

settings as (
    select cast(as_of as timestamp with time zone) as now_at
    from {{ ref('stg_company__settings') }}
),

rules as (
    select
        cast({{ rule_value('stale_after_months') }} as integer) as stale_after_months,
        cast({{ rule_value('lapsed_after_months') }} as integer) as lapsed_after_months,
        cast({{ rule_value('clock_skew_minutes') }} as integer) as clock_skew_minutes
    from {{ ref('consent_rules') }}
),

-- From when on a consent that nobody uses counts no longer: nothing happens then, and yet it ends.
endings as (
    select
        signals.subject,
        signals.controller,
        signals.purpose,
        greatest(
            signals.known_at,
            {{ dbt.dateadd('month', 'rules.stale_after_months',
                'coalesce(signals.signed_at, signals.counted_at)') }}
        ) as known_at
    from signals
    cross join rules
    where signals.signal in ('grant', 'use', 'sale')
    union
    select
        signals.subject,
        signals.controller,
        signals.purpose,
        greatest(
            signals.known_at,
            {{ dbt.dateadd('month', 'rules.lapsed_after_months',
                'coalesce(signals.signed_at, signals.counted_at)') }}
        ) as known_at
    from signals
    cross join rules
    where signals.signal in ('grant', 'use')
),

-- Before anything is known of a scope the law alone decides.
moments as (
    select distinct
        subject,
        controller,
        purpose,
        cast('1970-01-01 00:00:00+00' as timestamp with time zone) as known_at,
        'beginning' as signal,
        cast(null as {{ dbt.type_string() }}) as said,
        cast(null as timestamp with time zone) as life_at
    from signals
    union all
    select
        subject,
        controller,
        purpose,
        known_at,
        signal,
        said,
        case when signal in ('grant', 'use') then coalesce(signed_at, counted_at) end as life_at
    from signals
    union all
    select
        endings.subject,
        endings.controller,
        endings.purpose,
        endings.known_at,
        'ending' as signal,
        null as said,
        null as life_at
    from endings
    cross join settings
    where endings.known_at < settings.now_at
),

-- The grant with the latest request is the one that may be later than a refusal.
summed as (
    select
        subject,
        controller,
        purpose,
        known_at,
        {{ last_signal('suppression') }} as suppression,
        {{ last_signal('ecg') }} as ecg,
        {{ last_signal('refusal') }} as refusal,
        {{ last_signal('any refusal') }} as any_refusal,
        {{ last_signal('grant') }} as consent,
        {{ last_signal('flawed grant') }} as flawed,
        {{ last_signal('request') }} as requested,
        {{ last_signal('confirmation') }} as confirmed,
        {{ last_signal('import') }} as imported,
        {{ last_signal('sale') }} as sale,
        {{ last_signal('similar sale') }} as similar_sale,
        {{ last_signal('notice at_collection') }} as notice_at_collection,
        {{ last_signal('notice in_every_mail') }} as notice_in_every_mail,
        max(life_at) over (
            partition by subject, controller, purpose
            order by known_at
            range between unbounded preceding and current row
        ) as life_at
    from moments
),

distinct_moments as (
    select distinct * from summed
),

-- Of most contact points nothing was ever said: they need no history.
read as (
    select
        scopes.subject,
        scopes.controller,
        scopes.purpose,
        coalesce(
            summed.known_at, cast('1970-01-01 00:00:00+00' as timestamp with time zone)
        ) as known_at,
        summed.suppression,
        summed.ecg,
        summed.refusal,
        summed.consent,
        summed.flawed,
        summed.requested,
        summed.confirmed,
        summed.imported,
        summed.sale,
        scopes.channel,
        scopes.contact_point,
        scopes.country,
        scopes.is_advertising,
        jurisdictions.has_existing_customer_exception,
        jurisdictions.has_legitimate_interest,
        jurisdictions.obeys_ecg_list,
        rules.stale_after_months,
        {{ time_of('summed.consent') }} as consent_at,
        {{ dbt.dateadd('minute', 'rules.clock_skew_minutes', time_of('summed.refusal')) }}
            as refused_until,
        {{ dbt.dateadd('month', 'rules.stale_after_months', 'summed.life_at') }} as stale_at,
        {{ dbt.dateadd('month', 'rules.lapsed_after_months', 'summed.life_at') }} as lapsed_at,
        {{ dbt.dateadd('month', 'rules.stale_after_months', time_of('summed.sale')) }}
            as sale_stale_at,
        nullif(concat_ws(
            ', ',
            case when summed.sale is null then 'sale' end,
            case when summed.similar_sale is null then 'similar goods' end,
            case when summed.any_refusal is not null then 'no objection' end,
            case when summed.notice_at_collection is null then 'notice at collection' end,
            case when summed.notice_in_every_mail is null then 'notice in every mail' end
        ), '') as missing_for_exception
    from scopes
    left join distinct_moments as summed
        on
            scopes.subject = summed.subject
            and scopes.controller = summed.controller
            and scopes.purpose = summed.purpose
    inner join jurisdictions
        on
            scopes.country = jurisdictions.country
            and scopes.channel = jurisdictions.channel
    cross join rules
),

-- The order is the law's: who refuses is heard before everybody else.
reasoned as (
    select
        *,
        case
            when not is_advertising then 'contract'
            when suppression is not null then 'suppressed'
            when
                refusal is not null and (consent is null or consent_at <= refused_until)
                then {{ detail_of('refusal') }}
            when ecg is not null and obeys_ecg_list then 'ecg_listed'
            when consent is not null and known_at < least(stale_at, lapsed_at) then 'consent'
            when
                has_existing_customer_exception
                and missing_for_exception is null
                and known_at < sale_stale_at
                then 'existing_customer'
            when has_legitimate_interest then 'legitimate_interest'
            when consent is not null and known_at >= lapsed_at then 'lapsed'
            when consent is not null then 'stale'
            when coalesce(flawed, confirmed, imported) is not null then 'unproven'
            when requested is not null then 'pending'
            when has_existing_customer_exception and sale is not null then 'exception_incomplete'
            else 'unknown'
        end as reason
    from read
),

final as (
    select
        subject,
        channel,
        contact_point,
        controller,
        purpose,
        country,
        known_at as valid_from,
        lead(known_at) over (partition by subject, controller, purpose order by known_at)
            as valid_before,
        reason in ('contract', 'consent', 'existing_customer', 'legitimate_interest')
            as is_allowed,
        reason,
        case reason
            when 'contract' then '6_1_b'
            when 'consent' then '6_1_a'
            when 'existing_customer' then '6_1_f_7_3_uwg'
            when 'legitimate_interest' then '6_1_f'
        end as legal_basis,
        reason = 'consent' as is_evidence_complete,
        case
            when reason = 'unproven' and flawed is not null then {{ detail_of('flawed') }}
            when reason = 'unproven' and confirmed is not null then 'time of the request'
            when reason = 'unproven' then 'time of the request, time of the confirmation'
            when reason = 'pending' then 'time of the confirmation'
            when reason = 'exception_incomplete' then missing_for_exception
        end as missing_evidence,
        case
            when reason = 'suppressed' then {{ event_of('suppression') }}
            when reason in ('withdrawn', 'objected', 'bounced', 'erased')
                then {{ event_of('refusal') }}
            when reason = 'ecg_listed' then {{ event_of('ecg') }}
            when reason in ('consent', 'stale', 'lapsed') then {{ event_of('consent') }}
            when reason in ('existing_customer', 'exception_incomplete') then {{ event_of('sale') }}
            when reason = 'unproven'
                then {{ event_of('coalesce(flawed, confirmed, imported)') }}
            when reason = 'pending' then {{ event_of('requested') }}
        end as decided_by_event_id,
        cast(case
            when reason = 'consent' then least(stale_at, lapsed_at)
            when reason = 'existing_customer' then sale_stale_at
        end as date) as review_due_on
    from reasoned
)

select * from final
