with

companies as (
    select * from {{ ref('stg_lexware_office__contacts') }}
    where is_company
),

exploded as (
    select
        contact_id,
        {{ json_elements('contact_persons') }} as person
    from companies
),

persons as (
    select
        contact_id,
        {{ cleaned_text(json_text('person', '$.salutation')) }} as salutation,
        {{ cleaned_text(json_text('person', '$.firstName')) }} as first_name,
        {{ cleaned_text(json_text('person', '$.lastName')) }} as last_name,
        lower({{ cleaned_text(json_text('person', '$.emailAddress')) }}) as email,
        {{ cleaned_text(json_text('person', '$.phoneNumber')) }} as phone
    from exploded
),

-- Persons have no id there, and their place changes when one before them goes.
final as (
    select
        contact_id || ':' || {{ short_hash(
            "concat_ws('|', coalesce(first_name, ''), coalesce(last_name, ''), coalesce(email, ''))"
        ) }} as person_id,
        contact_id,
        max(salutation) as salutation,
        first_name,
        last_name,
        email,
        min(phone) as phone
    from persons
    where coalesce(first_name, last_name, email) is not null
    group by contact_id, first_name, last_name, email
)

select * from final
