with

contacts as (
    select * from {{ ref('int_contacts_stacked') }}
),

merged as (
    select
        'hubspot' as source,
        record_id,
        merged_into_record_id
    from {{ ref('int_hubspot_records_merged') }}
    where record_type = 'contacts'
),

country_spellings as (
    select * from {{ ref('country_spellings') }}
),

rules as (
    select cast(12 * {{ rule_value('oldest_person_years') }} as integer) as oldest_person_months
    from {{ ref('contact_rules') }}
),

plausible as (
    select
        settings.as_of,
        {{ months_before('settings.as_of', 'rules.oldest_person_months') }} as oldest_birthday_on
    from {{ ref('stg_company__settings') }} as settings
    cross join rules
),

-- A merged record is gone at the vendor; its number stays, to lead to the record it became.
with_merged as (
    select
        contacts.*,
        coalesce(contacts.source, merged.source) as source_name,
        coalesce(contacts.record_id, merged.record_id) as id_in_source,
        merged.merged_into_record_id
    from contacts
    full outer join merged
        on contacts.source = merged.source and contacts.record_id = merged.record_id
),

-- 1 January 1900 is what some forms write where nothing was filled in.
final as (
    select
        with_merged.source_name as source,
        with_merged.id_in_source as record_id,
        with_merged.organisation_record_id,
        with_merged.customer_number,
        with_merged.organisation_name,
        with_merged.salutation,
        with_merged.first_name,
        with_merged.last_name,
        with_merged.full_name,
        with_merged.email,
        with_merged.phone,
        with_merged.mobile,
        with_merged.role,
        case
            when
                with_merged.written_birthday_on > plausible.oldest_birthday_on
                and with_merged.written_birthday_on < plausible.as_of
                then with_merged.written_birthday_on
        end as birthday_on,
        nullif(
            regexp_extract(lower(with_merged.written_language), '^([a-z][a-z])([-_]|$)', 1), ''
        ) as language,
        with_merged.street,
        with_merged.postcode,
        with_merged.city,
        coalesce(
            country_spellings.country,
            case
                when length(with_merged.written_country) = 2 then upper(with_merged.written_country)
            end
        ) as country,
        with_merged.owner,
        with_merged.created_at,
        with_merged.updated_at,
        with_merged.merged_into_record_id
    from with_merged
    cross join plausible
    left join country_spellings
        on {{ normalised_text('with_merged.written_country') }} = country_spellings.spelling
)

select * from final
