with

organisations as (
    select * from {{ ref('int_organisations_unioned') }}
),

contacts as (
    select * from {{ ref('int_contacts_unioned') }}
),

pipedrive_channels as (
    select * from {{ ref('int_pipedrive_channels_exploded') }}
),

hubspot_further_emails as (
    select
        contact_id,
        {{ text_elements('additional_emails', "';'") }} as email
    from {{ ref('stg_hubspot__contacts') }}
),

-- A customer of the sales list may be either; the list does not tell, so its address counts as one
-- of the organisation.
records as (
    select
        'organisation' as record_kind,
        source,
        record_id,
        email,
        phone,
        null as mobile,
        street,
        postcode,
        city,
        country
    from organisations
    union all
    select
        'person' as record_kind,
        source,
        record_id,
        email,
        phone,
        mobile,
        street,
        postcode,
        city,
        country
    from contacts
),

points as (
    select
        record_kind,
        source,
        record_id,
        'email' as channel,
        email as value
    from records
    union all
    select
        record_kind,
        source,
        record_id,
        'phone' as channel,
        phone as value
    from records
    union all
    select
        record_kind,
        source,
        record_id,
        'phone' as channel,
        mobile as value
    from records
    union all
    select
        record_kind,
        source,
        record_id,
        'post' as channel,
        concat_ws(', ', street, concat_ws(' ', postcode, city), country) as value
    from records
    where street is not null and city is not null
    union all
    select
        'person' as record_kind,
        'hubspot' as source,
        contact_id as record_id,
        'email' as channel,
        {{ cleaned_text('email') }} as value
    from hubspot_further_emails
    union all
    select
        'person' as record_kind,
        'pipedrive' as source,
        person_id as record_id,
        channel,
        value
    from pipedrive_channels
),

-- Without what people put between digits; the 0 in brackets is not dialled from abroad.
bare as (
    select
        *,
        translate(replace(value, '(0)', ''), {{ grouping_characters() }} || '()/-.', '')
            as bare_phone
    from points
    where value is not null
),

normalised as (
    select
        *,
        case
            when channel = 'phone' and bare_phone like '00%' then '+' || substring(bare_phone, 3)
            when channel = 'phone' then bare_phone
            else {{ normalised_text('value') }}
        end as contact_point
    from bare
),

final as (
    select
        source,
        record_kind,
        record_id,
        channel,
        contact_point,
        min(value) as value
    from normalised
    where contact_point <> ''
    group by source, record_kind, record_id, channel, contact_point
)

select * from final
