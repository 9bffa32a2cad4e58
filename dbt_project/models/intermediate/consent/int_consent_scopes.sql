with

points as (
    select * from {{ ref('stg_consent__contact_points') }}
),

events as (
    select * from {{ ref('stg_consent__events') }}
),

told as (
    select * from {{ ref('stg_matching__contact_points') }}
),

organisations as (
    select * from {{ ref('int_organisations_unioned') }}
),

contacts as (
    select * from {{ ref('int_contacts_unioned') }}
),

purposes as (
    select * from {{ ref('consent_purposes') }}
),

jurisdictions as (
    select * from {{ ref('consent_jurisdictions') }}
),

-- Of a person without an address the country is that of its organisation in the same system: what
-- identity makes of them must not change what may be written to whom.
records as (
    select
        'organisation' as record_kind,
        source,
        record_id,
        country
    from organisations
    union all
    select
        'person' as record_kind,
        contacts.source,
        contacts.record_id,
        coalesce(contacts.country, organisations.country) as country
    from contacts
    left join organisations
        on
            contacts.source = organisations.source
            and contacts.organisation_record_id = organisations.record_id
),

countries as (
    select
        points.subject,
        max(records.country) as country
    from points
    inner join told
        on
            points.channel = told.channel
            and points.contact_point = coalesce(told.contact_point, told.value)
    inner join records
        on
            told.record_kind = records.record_kind
            and told.source = records.source
            and told.record_id = records.record_id
    where records.country is not null
    group by points.subject
    having count(distinct records.country) = 1
),

-- What the ledger knows and no record has any more stays, too.
recorded as (
    select
        subject,
        channel,
        contact_point,
        is_valid
    from points
    union all
    select
        events.subject,
        events.channel,
        events.contact_point,
        events.channel <> 'email' or events.contact_point like '%@%' as is_valid
    from events
    left join points on events.subject = points.subject
    where points.subject is null
),

subjects as (
    select
        subject,
        channel,
        max(contact_point) as contact_point,
        bool_or(is_valid) as is_valid
    from recorded
    group by subject, channel
),

named as (
    select
        told.controller,
        told.is_default
    from {{ ref('consent_controllers') }} as told
    inner join {{ ref('stg_company__settings') }} as settings on told.company = settings.company
),

controllers as (
    select
        subjects.subject,
        named.controller
    from subjects
    cross join named
    where named.is_default
    union
    select
        subject,
        controller
    from events
    where controller is not null
),

final as (
    select
        subjects.subject,
        subjects.channel,
        subjects.contact_point,
        coalesce(subjects.is_valid, false) as is_valid,
        controllers.controller,
        coalesce(named.is_default, false) as is_default_controller,
        purposes.purpose,
        purposes.is_advertising,
        coalesce(jurisdictions.country, 'unknown') as country
    from subjects
    inner join controllers on subjects.subject = controllers.subject
    cross join purposes
    left join named on controllers.controller = named.controller
    left join countries on subjects.subject = countries.subject
    left join jurisdictions
        on
            countries.country = jurisdictions.country
            and subjects.channel = jurisdictions.channel
)

select * from final
