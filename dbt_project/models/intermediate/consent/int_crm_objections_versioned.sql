with

contacts as (
    select * from {{ ref('stg_hubspot__contact_versions') }}
),

persons as (
    select
        *,
        {{ json_elements('emails') }} as entry
    from {{ ref('stg_pipedrive__person_versions') }}
),

statuses as (
    select * from {{ ref('newsletter_statuses') }}
),

-- Who objects means the person, so that every address of the record is meant.
addresses as (
    select
        *,
        email as contact_point
    from contacts
    union all
    select
        *,
        {{ text_elements('additional_emails', "';'") }} as contact_point
    from contacts
),

stacked as (
    select
        'hubspot' as source,
        contact_id as source_record,
        {{ cleaned_text('contact_point') }} as contact_point,
        case when has_objected_to_email then 'opted out' end as source_status,
        case when has_objected_to_email then 'objected' end as consent_event,
        updated_at as changed_at,
        pulled_at,
        load_id,
        file_row
    from addresses
    union all
    select
        'pipedrive' as source,
        persons.person_id as source_record,
        lower({{ cleaned_text(json_text('persons.entry', '$.value')) }}) as contact_point,
        persons.marketing_status as source_status,
        statuses.consent_event,
        persons.updated_at as changed_at,
        persons.pulled_at,
        persons.load_id,
        persons.file_row
    from persons
    left join statuses
        on
            statuses.source = 'pipedrive'
            and lower(persons.marketing_status) = statuses.source_status
),

-- An address may stand twice in one version of a record.
final as (
    select distinct * from stacked
    where contact_point is not null
)

select * from final
